"""Bundles: what goes along, what is refused, and that two folders become one."""
