"""The words of an error for an operator: on the command line, in English as in the log."""

from __future__ import annotations

from bot.texts.catalogue import translate_sentence
from bot.texts.language import Language
from indexer.errors import AfterimageError, Rejected, Told


def english(error: AfterimageError) -> str:
    """Values are not escaped:
    the module that prints them (bot/observability/terminal.py) makes control characters visible.
    """
    if isinstance(error, Told | Rejected):
        return translate_sentence(Language.ENGLISH, error.sentence, str)
    return str(error)
