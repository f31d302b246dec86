"""Registers the commands with Discord only when they differ from Discord's:
each registration counts against a daily limit.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from discord.http import Route

from bot.commands import Tree

logger = logging.getLogger(__name__)

# Fields that Discord's answer writes as a string of digits, and lists whose order has no meaning.
_DIGITS = {"default_member_permissions"}
_UNORDERED = {"contexts", "integration_types", "channel_types", "file_types"}


async def sync_if_changed(tree: Tree) -> bool:
    """Registers the tree's global commands if Discord's differ; True if it registered. Raises discord.HTTPException."""
    application_id = tree.client.application_id
    assert application_id is not None, "known after login"
    route = Route("GET", "/applications/{application_id}/commands", application_id=application_id)
    registered = await tree.client.http.request(route, params={"with_localizations": "true"})
    translator = tree.translator
    payloads = [
        await command.get_translated_payload(tree, translator) if translator else command.to_dict(tree)
        for command in tree.get_commands()
    ]
    if same(payloads, registered):
        logger.info("%d commands are registered and up to date", len(payloads))
        return False
    await tree.sync()
    logger.info("%d commands registered", len(payloads))
    return True


def same(here: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> bool:
    """Whether Discord's commands contain everything that ours contain, and there are no other commands."""
    theirs = {(command.get("type", 1), command["name"]): command for command in there}
    ours = {(command.get("type", 1), command["name"]): command for command in here}
    return theirs.keys() == ours.keys() and all(_covers(ours[key], theirs[key]) for key in ours)


def _covers(ours: Any, theirs: Any, key: str = "") -> bool:
    """Whether theirs has every field of ours.
    Discord leaves out empty fields; ids and versions that it adds are ignored.
    """
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
            return key == "dm_permission"  # deprecated: `contexts` replaces it, and newer answers do not contain it
        case _:
            return bool(ours == theirs) or (ours == "" and theirs is None)
