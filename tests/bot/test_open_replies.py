"""Buttons that still work: for who asked, for fifteen minutes, not too often, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from bot.commands import open_replies
from bot.commands.open_replies import LIFETIME_S, PRESSES, OpenReplies
from bot.config import LimitSettings


@dataclass
class Reply:
    owner_id: int = 1
    pressed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    async def press(self, interaction: Any, action: str, values: Sequence[str]) -> None:
        self.pressed.append((action, tuple(values)))


class Followup:
    def __init__(self) -> None:
        self.said: list[str] = []

    async def send_message(self, text: str, **more: Any) -> None:
        assert more["ephemeral"]
        self.said.append(text)

    def is_done(self) -> bool:
        return False


def interaction(user: int = 1, values: Sequence[str] = ()) -> Any:
    """As much of an interaction as a press needs."""
    return SimpleNamespace(
        user=SimpleNamespace(id=user), locale="en-GB", data={"values": list(values)}, response=Followup(),
        guild_id=1, command=None, type=SimpleNamespace(name="component"),
    )  # fmt: skip


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replies(clock: Clock) -> OpenReplies:
    return OpenReplies("similar", LimitSettings(per_minute=60.0, burst=5), clock)


async def test_a_press_reaches_the_reply_with_what_was_chosen(replies: OpenReplies) -> None:
    reply = Reply()
    token = replies.remember(reply)
    await replies.pressed(interaction(values=["7"]), token, "more")
    assert reply.pressed == [("more", ("7",))]


async def test_nobody_else_can_press(replies: OpenReplies) -> None:
    reply = Reply()
    asked = interaction(user=2)
    await replies.pressed(asked, replies.remember(reply), "page-1")
    assert reply.pressed == []
    assert "Only who asked" in asked.response.said[0]


async def test_after_fifteen_minutes_or_a_restart_the_buttons_say_so(replies: OpenReplies, clock: Clock) -> None:
    token = replies.remember(Reply())
    clock.now += LIFETIME_S - 1
    assert replies.find(token) is not None
    clock.now += 2
    for gone in (token, "similar-AAAAAAAAAAAA"):
        asked = interaction()
        await replies.pressed(asked, gone, "page-1")
        assert "have expired" in asked.response.said[0]
    assert len(replies) == 0


async def test_the_oldest_reply_is_forgotten_when_there_are_too_many(
    replies: OpenReplies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_replies, "REMEMBERED", 3)
    tokens = [replies.remember(Reply()) for _ in range(5)]
    assert [replies.find(token) is not None for token in tokens] == [False, False, True, True, True]


async def test_too_many_presses_are_refused_politely_and_allowed_again(replies: OpenReplies, clock: Clock) -> None:
    reply = Reply()
    token = replies.remember(reply)
    for _ in range(5 * PRESSES):
        await replies.pressed(interaction(), token, "page-1")
    refused = interaction()
    await replies.pressed(refused, token, "page-1")
    assert len(reply.pressed) == 5 * PRESSES
    assert "try again in 1 s" in refused.response.said[0]
    clock.now += 1
    await replies.pressed(interaction(), token, "page-1")
    assert len(reply.pressed) == 5 * PRESSES + 1


async def test_what_goes_wrong_in_a_press_is_told_with_an_id_that_stands_in_the_log(
    replies: OpenReplies, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Reply):
        async def press(self, interaction: Any, action: str, values: Sequence[str]) -> None:
            raise RuntimeError("the disk is on fire")

    asked = interaction()
    await replies.pressed(asked, replies.remember(Broken()), "page-1")
    (said,) = asked.response.said
    assert "disk" not in said
    error_id = said.rstrip(".").split()[-1]
    assert error_id in caplog.text
    assert "the disk is on fire" in caplog.text


def test_tokens_cannot_be_guessed_and_fit_a_buttons_name(replies: OpenReplies) -> None:
    tokens = {replies.remember(Reply()) for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == len("similar-") + 12 for token in tokens)
