"""A page for people: be a member of the sandbox's guild, in a browser."""
