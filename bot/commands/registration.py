"""Tell Discord about the commands only when they differ from what it has: each telling counts against a daily limit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from discord.http import Route

from bot.commands import Tree

logger = logging.getLogger(__name__)

# What Discord's answer spells as a string of digits, and lists whose order means nothing.
_DIGITS = {"default_member_permissions"}
_UNORDERED = {"contexts", "integration_types", "channel_types", "file_types"}


async def sync_if_changed(tree: Tree) -> bool:
    """Registers the tree's global commands if Discord's differ; True where it did. Raises discord.HTTPException."""
    application_id = tree.client.application_id
    assert application_id is not None, "known after login"
    route = Route("GET", "/applications/{application_id}/commands", application_id=application_id)
    there = await tree.client.http.request(route, params={"with_localizations": "true"})
    translator = tree.translator
    here = [
        await command.get_translated_payload(tree, translator) if translator else command.to_dict(tree)
        for command in tree.get_commands()
    ]
    if same(here, there):
        logger.info("%d commands are registered and up to date", len(here))
        return False
    await tree.sync()
    logger.info("%d commands registered", len(here))
    return True


def same(here: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> bool:
    """Whether Discord's commands say all that ours say, and there are no others."""
    theirs = {(command.get("type", 1), command["name"]): command for command in there}
    ours = {(command.get("type", 1), command["name"]): command for command in here}
    return theirs.keys() == ours.keys() and all(_covers(ours[key], theirs[key]) for key in ours)


def _covers(ours: Any, theirs: Any, key: str = "") -> bool:
    """Discord leaves out what is empty, and adds ids and versions: every field of ours must stand there, no more."""
    match ours:
        case Mapping():
            return all(_covers(value, (theirs or {}).get(name), name) for name, value in ours.items())
        case list() | tuple():
            theirs = theirs or []
            if key in _UNORDERED:
                return set(ours) == set(theirs)
            return len(ours) == len(theirs) and all(map(_covers, ours, theirs))
        case None | False:
            return not theirs
        case _ if key in _DIGITS:
            return str(ours) == str(theirs)
        case True if theirs is None:
            return key == "dm_permission"  # deprecated: `contexts` says it, and newer answers leave it out
        case _:
            return bool(ours == theirs) or (ours == "" and theirs is None)
