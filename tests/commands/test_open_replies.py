"""Buttons that still work: for who asked, for fifteen minutes, not too often, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from bot.commands import open_replies
from bot.commands.open_replies import (
    LIFETIME_S,
    PAGES_A_COMMAND,
    REMEMBERED_A_MEMBER,
    OpenReplies,
    page_number,
    press_buckets,
)
from bot.config.tables import LimitSettings
from indexer.errors import TellPerson


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
        guild_id=1, command=None, type=SimpleNamespace(name="component"), extras={},
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
    return OpenReplies("similar", press_buckets(LimitSettings(per_minute=60.0, burst=5), clock), clock)


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


async def test_a_member_who_asks_a_lot_loses_their_own_oldest_replies_and_nobody_elses(replies: OpenReplies) -> None:
    stranger = replies.remember(Reply(owner_id=2))
    tokens = [replies.remember(Reply(owner_id=1)) for _ in range(REMEMBERED_A_MEMBER + 600)]
    assert replies.find(stranger) is not None
    kept = [replies.find(token) is not None for token in tokens]
    assert kept == [False] * 600 + [True] * REMEMBERED_A_MEMBER
    assert len(replies) == REMEMBERED_A_MEMBER + 1


async def test_where_all_keep_too_many_those_who_keep_most_lose_theirs(
    replies: OpenReplies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_replies, "REMEMBERED", 40)
    modest = [replies.remember(Reply(owner_id=member)) for member in range(100, 110)]
    for _ in range(REMEMBERED_A_MEMBER):
        for hoarder in range(1, 10):
            replies.remember(Reply(owner_id=hoarder))
    assert len(replies) == 40
    assert all(replies.find(token) is not None for token in modest)


async def test_where_all_keep_equally_many_the_oldest_goes(
    replies: OpenReplies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_replies, "REMEMBERED", 3)
    tokens = [replies.remember(Reply(owner_id=member)) for member in range(5)]
    assert [replies.find(token) is not None for token in tokens] == [False, False, True, True, True]


async def test_after_fifteen_minutes_nothing_of_a_member_is_left(replies: OpenReplies, clock: Clock) -> None:
    for member in range(30):
        replies.remember(Reply(owner_id=member))
    clock.now += LIFETIME_S + 1
    assert replies.find("similar-AAAAAAAAAAAA") is None
    assert len(replies) == len(replies._open._values) == 0


async def test_presses_on_made_up_buttons_are_counted_too(replies: OpenReplies) -> None:
    for _ in range(5 * PAGES_A_COMMAND):
        await replies.pressed(interaction(), "similar-AAAAAAAAAAAA", "page-1")
    refused = interaction()
    await replies.pressed(refused, "similar-AAAAAAAAAAAA", "page-1")
    assert "try again in" in refused.response.said[0]


async def test_what_asks_a_new_question_costs_as_much_as_a_command(replies: OpenReplies) -> None:
    reply = Reply()
    token = replies.remember(reply)
    for action in ("more", "sheet", "share", "like", "another", "more"):
        await replies.pressed(interaction(), token, action)
    assert [action for action, _ in reply.pressed] == ["more", "sheet", "share", "like", "another"]


async def test_all_kinds_of_buttons_share_one_bucket(clock: Clock) -> None:
    presses = press_buckets(LimitSettings(per_minute=60.0, burst=1), clock)
    similar, duplicates = OpenReplies("similar", presses, clock), OpenReplies("duplicates", presses, clock)
    first, second = Reply(), Reply()
    await similar.pressed(interaction(), similar.remember(first), "more")
    await duplicates.pressed(interaction(), duplicates.remember(second), "page-1")
    assert (len(first.pressed), len(second.pressed)) == (1, 0)


async def test_too_many_presses_are_refused_politely_and_allowed_again(replies: OpenReplies, clock: Clock) -> None:
    reply = Reply()
    token = replies.remember(reply)
    for _ in range(5 * PAGES_A_COMMAND):
        await replies.pressed(interaction(), token, "page-1")
    refused = interaction()
    await replies.pressed(refused, token, "page-1")
    assert len(reply.pressed) == 5 * PAGES_A_COMMAND
    assert "try again in 1 s" in refused.response.said[0]
    clock.now += 1
    await replies.pressed(interaction(), token, "page-1")
    assert len(reply.pressed) == 5 * PAGES_A_COMMAND + 1


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


@pytest.mark.parametrize("action", ["page", "page-", "page-x", "page-12345", "page-1-1", "pages-1", "share", ""])
def test_what_names_no_page_is_an_expired_button(action: str) -> None:
    with pytest.raises(TellPerson, match="error-too-old"):
        page_number(action)
    assert [page_number(name) for name in ("page-0", "page-7", "page--1")] == [0, 7, -1]
