"""The commands' own texts, in each language that Discord shows them in.

Names of slash commands stay as they are, so that what one member says ("use /similar") is what another can type; only
the message command, which nobody types, is translated.
"""

from __future__ import annotations

from collections.abc import Mapping

import discord
from discord import app_commands

from bot.texts import Language, translate

# English is what the commands are registered with; Discord shows it wherever there is no translation.
LANGUAGES: Mapping[discord.Locale, Language] = {discord.Locale.german: Language.GERMAN}


def localized(key: str) -> app_commands.locale_str:
    """The English text of `key`, which `Translator` finds again in the other languages."""
    return app_commands.locale_str(translate(Language.ENGLISH, key), key=key)


class Translator(app_commands.Translator):
    """Give it to the tree before the commands are registered with Discord."""

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        """The text in that language; None leaves the English one."""
        key, language = string.extras.get("key"), LANGUAGES.get(locale)
        return None if key is None or language is None else translate(language, key)
