"""The builder: ids, permissions, and worlds too large to draw."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import snowflakes
from sandbox.permissions import ALL, MEMBER, Overwrite, OverwriteKind, Permission, in_channel
from sandbox.world import File, World
from tests.soak import SOAK

NOW = 1_790_000_000_000
VIEW, SEND, READ = Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES, Permission.READ_MESSAGE_HISTORY


@given(st.lists(st.integers(snowflakes.EPOCH_MS, snowflakes.EPOCH_MS + 10**12), max_size=50))
def test_ids_are_never_equal_and_tell_their_time(moments: list[int]) -> None:
    made = snowflakes.Snowflakes(lambda: NOW)
    ids = [made.make(moment) for moment in [*moments, *moments]]
    assert len(set(ids)) == len(ids)
    assert [snowflakes.ms(found) for found in ids] == [*moments, *moments]
    assert sorted(ids) == [found for _, found in sorted(zip([*moments, *moments], ids, strict=True))]


def test_messages_stand_in_order_of_time_however_they_were_posted() -> None:
    world = World(now_ms=NOW)
    chat = world.guild("Meadow", world.user("mara")).channel("chat")
    for hours in (5, 1, 3, 4, 2):
        chat.post(world.bot, str(hours), at_ms=NOW - hours * 3_600_000)
    assert [message.content for message in chat.messages()] == ["5", "4", "3", "2", "1"]


@pytest.mark.soak
def test_messages_without_number_draw_nothing_until_somebody_looks() -> None:
    count = 100_000 if SOAK else 10_000
    drawn: list[int] = []

    def draw() -> bytes:
        drawn.append(1)
        return b""

    world = World(now_ms=NOW)
    chat = world.guild("Meadow", world.user("mara")).channel("chat")
    for i in range(count):
        files = [File.drawn(f"{i}.png", draw, (64, 64))] if i % 33 == 0 else ()
        chat.post(world.bot, files=files, at_ms=NOW - i * 1000)
    assert (len(chat), len(world.attachments), drawn) == (count, count // 33 + 1, [])


def _allowed(*overwrites: Overwrite, roles: dict[int, Permission] | None = None, **extra: bool) -> Permission:
    return in_channel(
        guild_id=1, member_id=9, owner=extra.get("owner", False), timed_out=extra.get("timed_out", False),
        role_permissions={1: MEMBER} | (roles or {}), overwrites=overwrites,
    )  # fmt: skip


def _role(role: int, allow: Permission = Permission.NONE, deny: Permission = Permission.NONE) -> Overwrite:
    return Overwrite(role, OverwriteKind.ROLE, allow, deny)


def test_permissions_follow_discords_order() -> None:
    own = Overwrite(9, OverwriteKind.MEMBER, VIEW)
    two = {2: Permission.NONE, 3: Permission.NONE}
    assert _allowed() == MEMBER
    assert _allowed(_role(1, deny=VIEW)) == Permission.NONE
    assert _allowed(_role(1, deny=VIEW), _role(2, VIEW), roles=two) & VIEW
    # Among roles an allowance wins, whatever the order.
    assert _allowed(_role(2, deny=READ), _role(3, READ), roles=two) & READ
    assert _allowed(_role(3, READ), _role(2, deny=READ), roles=two) & READ
    # The member's own word is the last.
    assert _allowed(_role(2, deny=VIEW), own, roles=two) & VIEW
    assert not _allowed(_role(2, VIEW), Overwrite(9, OverwriteKind.MEMBER, deny=VIEW), roles=two)
    # A role that the member does not have says nothing.
    assert _allowed(_role(7, deny=VIEW)) & VIEW


def test_owner_and_administrator_stand_above_and_a_time_out_takes_all_but_reading() -> None:
    hidden = _role(1, deny=VIEW)
    assert _allowed(hidden, owner=True) == ALL
    assert _allowed(hidden, roles={2: Permission.ADMINISTRATOR}, timed_out=True) == ALL
    assert _allowed(timed_out=True) == VIEW | READ
    assert _allowed(_role(1, SEND), timed_out=True) == VIEW | READ


def test_without_sending_there_are_no_files_and_embeds() -> None:
    found = _allowed(_role(1, deny=SEND))
    assert not found & (Permission.ATTACH_FILES | Permission.EMBED_LINKS)
    assert found & READ


def test_a_time_out_ends_with_the_clock() -> None:
    world = World(now_ms=NOW)
    guild = world.guild("Meadow", world.user("mara"))
    chat = guild.channel("chat")
    ben = guild.join(world.user("ben"))
    ben.update(timed_out_until_ms=world.clock.now_ms() + 60_000)
    assert not chat.allows(ben) & SEND
    world.clock.advance(61)
    assert chat.allows(ben) & SEND
