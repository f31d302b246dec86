"""An error's words for whoever runs the bot: on the command line, in English like the log."""

from __future__ import annotations

from bot.texts.catalogue import translate_sentence
from bot.texts.language import Language
from indexer.errors import AfterimageError, Rejected, Told


def english(error: AfterimageError) -> str:
    """Values stand as they are: what prints them (bot/observability/terminal.py) makes control characters visible."""
    if isinstance(error, Told | Rejected):
        return translate_sentence(Language.ENGLISH, error.sentence, str)
    return str(error)
