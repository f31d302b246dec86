"""The part of Afterimage that faces the outside: gateway, slash commands, command line, HTTP."""
