"""What a reader is told: the words of an error, as the bot's edge writes them."""

from __future__ import annotations

from bot.commands import sentence_for
from bot.texts import Language


def english(error: BaseException) -> str:
    return sentence_for(error, "x", Language.ENGLISH).replace("\\", "")


def german(error: BaseException) -> str:
    return sentence_for(error, "x", Language.GERMAN).replace("\\", "")
