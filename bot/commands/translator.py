"""The commands' own texts, in each language that Discord shows them in.

Names of slash commands are not translated, so that what one member says ("use /similar"), another member can type. Only
the message command is translated, because nobody types its name.
"""

from __future__ import annotations

from collections.abc import Mapping

import discord
from discord import app_commands

from bot.texts import Language, translate

# The commands are registered in English; Discord shows English where there is no translation.
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
