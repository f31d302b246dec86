"""Presses on buttons that their message does not have. Somebody made them by hand: Discord's own apps never send them.

discord.py drops them without an answer. Here they are answered with the sentence for an expired button, without a
traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import discord

from bot.commands import answer_error
from indexer.errors import TellPerson


async def answer_if_forged(interaction: discord.Interaction[Any]) -> None:
    """Answers a press on a button that the message does not have. Ignores every other interaction."""
    if interaction.type is not discord.InteractionType.component or interaction.message is None:
        return
    data: Any = interaction.data or {}
    if data.get("custom_id") not in set(_custom_ids(interaction.message.components)):
        await answer_error(interaction, TellPerson("error-too-old"))


def _custom_ids(components: Iterable[object]) -> Iterator[str]:
    for component in components:
        custom_id = getattr(component, "custom_id", None)
        if custom_id is not None:
            yield custom_id
        yield from _custom_ids(getattr(component, "children", None) or ())
        accessory = getattr(component, "accessory", None)
        if accessory is not None:
            yield from _custom_ids((accessory,))
