"""A press on a button that no reply has, as only a forged request brings it: one sentence, and no traceback."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sandbox.checks.components import walk
from sandbox.interactions import Kind
from sandbox.reply import Reply
from tests.worlds.running_bot import Running, Town, indexed, noise, town


async def forged(bot: Running, place: Town, reply: Reply, old: str, new: str, values: list[str] | None) -> Reply:
    """Presses a component of the reply whose custom id has `new` where a true one has `old`."""
    shown = walk(reply.message.components)
    component = next(component for component in shown if str(component.get("custom_id", "")).endswith(old))
    name = component["custom_id"].removesuffix(old) + new
    data = {"component_type": component["type"], "custom_id": name, "id": component["id"]}
    if values is not None:
        data |= {"values": values}
    person = bot.person(place.member)
    return await person._ask(Kind.COMPONENT, reply.message.channel, data, 20.0, source=reply.message)


FORGED: list[tuple[str, str, str, list[str] | None, str]] = [
    ("similar", "page-1", "page-x", None, "expired"),
    ("similar", "page-1", "page-99999999999", None, "expired"),
    ("similar", "page-1", "nonsense", None, "expired"),
    ("similar", "more", "more", [], "no longer there"),
    ("similar", "more", "more", ["x"], "no longer there"),
    ("similar", "more", "more", ["99999999999999999999"], "no longer there"),
    ("duplicates", "page-1", "page-", None, "expired"),
    ("random", "another", "delete-everything", None, "expired"),
    ("privacy", "sure-here", "forget-here", None, "expired"),
    ("privacy", "sure-here", "forget-nobody", None, "expired"),
]


async def test_forged_presses_are_answered_in_one_sentence_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = town(pictures=12)
    for number in range(8):
        place.talk.post(place.owner.user, "again", files=[noise(number)])
    async with indexed(place, tmp_path) as bot:
        with caplog.at_level(logging.WARNING):
            for command, old, new, values, sentence in FORGED:
                options = {"image": noise(3).data, "text": "min:-1", "count": 10} if command == "similar" else {}
                reply = await bot.person(place.member).slash(place.talk.id, command, options)
                answer = await forged(bot, place, reply, old, new, values)
                assert sentence in answer.text(), (command, new, values)
        assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
        assert (await bot.service.status()).total.messages == 22
