"""The languages that the bot speaks."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    """Each language has a file of texts in this folder, named after its value.
    The reader's Discord locale selects the language.
    """

    ENGLISH = "en"
    GERMAN = "de"

    @classmethod
    def of(cls, locale: object) -> Language:
        """The language for one of Discord's locales (`en-GB`, `de`, …); English for a locale without texts."""
        return cls.GERMAN if str(locale).split("-")[0] == "de" else cls.ENGLISH
