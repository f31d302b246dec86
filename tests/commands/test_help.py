"""/help names every command that there is, in each language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from discord import app_commands

from bot.commands.translator import Translator
from tests.worlds.running_bot import Running, running, town


async def named(bot: Running, locale: str) -> list[str]:
    """How each registered command stands in a sentence: `/name`, the last word of a sub-command, a menu's own name."""
    translator = Translator()
    found = []
    for command in bot.client.tree.get_commands():
        if isinstance(command, app_commands.ContextMenu):
            payload = await command.get_translated_payload(bot.client.tree, translator)
            found.append(payload.get("name_localizations", {}).get(locale, command.name))
        else:
            found += _spelled(command)
    return found


def _spelled(command: app_commands.Command[Any, ..., Any] | app_commands.Group) -> Iterator[str]:
    yield f"/{command.name}"
    if isinstance(command, app_commands.Group):
        yield from (child.name for child in command.commands)


@pytest.mark.parametrize("locale", ["en-GB", "de"])
async def test_help_names_every_command(tmp_path: Path, locale: str) -> None:
    place = town(pictures=0, secrets=0, others=0)
    place.guild.locale = locale
    async with running(place.world, tmp_path) as bot:
        member = (await bot.person(place.member).slash(place.talk.id, "help")).content
        owner = (await bot.person(place.owner).slash(place.talk.id, "help")).content
        names = await named(bot, locale)
        assert len(names) > 10
        assert [name for name in names if name not in owner] == []
        groups = [command for command in bot.client.tree.get_commands() if isinstance(command, app_commands.Group)]
        managed = [f"/{group.name}" for group in groups if group.default_permissions is not None]
        assert sorted(managed) == ["/reindex", "/watch"]
        for_members = {name for name in names if name.startswith("/")} - set(managed)
        assert [name for name in for_members if name not in member] == []
        assert [name for name in managed if name in member] == []
