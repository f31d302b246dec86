"""Afterimage's edge: gateway, slash commands, command line, HTTP."""
