"""The languages that the bot speaks."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    """Each has a file of texts beside this one, named for its value. Discord's locale of the reader chooses."""

    ENGLISH = "en"
    GERMAN = "de"

    @classmethod
    def of(cls, locale: object) -> Language:
        """The language for one of Discord's locales (`en-GB`, `de`, …); English where we speak no better."""
        return cls.GERMAN if str(locale).split("-")[0] == "de" else cls.ENGLISH
