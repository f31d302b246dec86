"""Discord's REST API v10, limited to what a bot like ours uses."""
