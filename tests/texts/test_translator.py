"""Every text of every command is there in every language, and Discord takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import discord
import pytest
from discord import app_commands
from discord.app_commands import locale_str

from bot.commands.every_command import COMMANDS
from bot.commands.translator import LANGUAGES, Translator, localized
from bot.config.tables import Config


class _Context:
    """What a command needs to be registered; the service is not used before somebody asks."""

    config = Config()

    def __getattr__(self, name: str) -> Any:
        return _Context()


@pytest.fixture
def tree() -> app_commands.CommandTree[Any]:
    client = discord.Client(intents=discord.Intents.none())
    made: app_commands.CommandTree[Any] = app_commands.CommandTree(client)
    context: Any = _Context()
    for module in COMMANDS:
        module.register(made, context)
    return made


def described(payload: Any) -> Iterator[Mapping[str, Any]]:
    yield payload
    for option in payload.get("options", ()):
        yield from described(option)


async def test_every_description_has_a_translation(tree: app_commands.CommandTree[Any]) -> None:
    translator = Translator()
    for command in tree.get_commands():
        payload = await command.get_translated_payload(tree, translator)
        for part in described(payload):
            if part.get("description"):
                assert part["description_localizations"].keys() == {str(locale) for locale in LANGUAGES}, part["name"]
                assert all(1 <= len(text) <= 100 for text in part["description_localizations"].values())
    (menu,) = tree.get_commands(type=discord.AppCommandType.message)
    assert (await menu.get_translated_payload(tree, translator))["name_localizations"] == {"de": "Ähnliche finden"}


async def test_what_is_not_known_stays_english() -> None:
    context: Any = app_commands.TranslationContext(app_commands.TranslationContextLocation.other, None)
    assert await Translator().translate(locale_str("unheard of"), discord.Locale.german, context) is None
    assert await Translator().translate(localized("option-count"), discord.Locale.french, context) is None
    assert (
        await Translator().translate(localized("option-count"), discord.Locale.german, context) == "Wie viele Treffer"
    )
