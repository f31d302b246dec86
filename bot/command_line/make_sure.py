"""Asks the person before something is changed that cannot be taken back."""

from __future__ import annotations

from bot.observability import terminal
from indexer.errors import TellPerson


def make_sure(question: str, answer: str = "yes") -> None:
    """Returns where the person types `answer`. Raises TellPerson where they do not, or where nobody is there to ask."""
    if not terminal.asks_a_person():
        raise TellPerson("cli-nobody-to-ask")
    terminal.note(question)
    if terminal.answer_to(f"Type {answer} to go on: ") != answer:
        raise TellPerson("cli-nothing-changed")
