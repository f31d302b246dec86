"""Who may see what, end to end: every standing a member can have, every kind of channel, by the sandbox's own rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.permissions.thread_members import JOINED_S
from indexer.records.ids import UserId
from sandbox.members import Person
from sandbox.permissions import MEMBER, Permission
from sandbox.world import Channel, ChannelKind, Guild, Member, Thread, World
from tests.worlds.running_bot import Running, noise, running, with_auto_start
from tests.worlds.waiting import until

HIDDEN = Permission.VIEW_CHANNEL
EVERYTHING = "picture min:-1 count:50"


@dataclass
class City:
    """A guild with one picture in each kind of place, and a member of each standing."""

    world: World
    guild: Guild
    people: dict[str, Member]
    rooms: dict[str, Channel]

    def readable(self, member: Member, asking: Channel) -> set[str]:
        """The rooms that the member reads in Discord and that may be shown in `asking`, by the sandbox's rules."""
        return {name for name, room in self.rooms.items() if room.read_by(member) and (not room.adult or asking.adult)}


def city() -> City:
    world = World()
    users = {name: world.user(name) for name in ("owner", "moderator", "member", "guest", "chosen")}
    guild = world.guild("City", users["owner"], everyone=Permission.NONE)
    resident = guild.role("Resident", MEMBER)
    keeper = guild.role("Keeper", Permission.MANAGE_THREADS)
    people = {"owner": guild.members[users["owner"].id]}
    for name, roles in (
        ("moderator", (resident, keeper)),
        ("member", (resident,)),
        ("guest", ()),
        ("chosen", (resident,)),
    ):
        people[name] = guild.join(users[name], *roles)
    shown = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY | Permission.USE_APPLICATION_COMMANDS
    welcome = guild.everyone.overwrite(allow=shown)
    bot = guild.me.overwrite(allow=shown)
    lobby = guild.channel("lobby", overwrites=[welcome])
    rooms = {
        "lobby": lobby,
        "square": guild.channel("square"),
        "no-history": guild.channel(
            "no-history", overwrites=[resident.overwrite(deny=Permission.READ_MESSAGE_HISTORY), bot]
        ),
        "staff": guild.channel(
            "staff", overwrites=[resident.overwrite(deny=HIDDEN), keeper.overwrite(allow=HIDDEN), bot]
        ),
        "own": guild.channel(
            "own", overwrites=[resident.overwrite(deny=HIDDEN), people["chosen"].overwrite(allow=HIDDEN), bot]
        ),
        "adult": guild.channel("adult", age_restricted=True),
        "voice": guild.channel("voice", ChannelKind.VOICE, overwrites=[guild.me.overwrite(allow=Permission.CONNECT)]),
    }
    forum = guild.channel("forum", ChannelKind.FORUM)
    rooms["post"] = forum.thread("post", users["owner"])
    rooms["thread"] = rooms["square"].thread("thread", users["owner"])
    rooms["old"] = rooms["square"].thread("old", users["owner"], archived=True)
    rooms["private"] = rooms["square"].thread("private", users["owner"], private=True, members=[users["chosen"]])
    rooms["buried"] = rooms["square"].thread(
        "buried", users["owner"], private=True, archived=True, members=[users["chosen"]]
    )
    rooms["adult-thread"] = rooms["adult"].thread("adult-thread", users["owner"])
    for number, (name, room) in enumerate(rooms.items()):
        room.post(users["owner"], f"picture in {name}", files=[noise(number)])
    for thread in guild.threads.values():  # a post in an archived thread would have opened it again
        if thread.name in ("old", "buried"):
            thread.archived = True
    return City(world, guild, people, rooms)


@pytest.fixture
def made() -> City:
    return city()


@pytest.fixture
async def bot(made: City, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(made.world, tmp_path / "data", with_auto_start) as bot:
        await bot.indexed(made.guild)
        yield bot


async def rooms_shown(made: City, person: Person, asking: Channel) -> tuple[set[str], str]:
    """The rooms of all hits on all pages, and the last page's text."""
    names = {room.id: name for name, room in made.rooms.items()}
    reply = await person.slash(asking.id, "similar", {"text": EVERYTHING})
    seen = {names[jump.channel_id] for jump in reply.jump_links()}
    while any(button.label == "Next" and not button.disabled for button in reply.buttons()):
        reply = await person.press(reply, "Next")
        seen |= {names[jump.channel_id] for jump in reply.jump_links()}
    return seen, reply.text()


async def test_every_standing_sees_exactly_what_discord_shows_it(bot: Running, made: City) -> None:
    async with bot.service.db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT count(*) FROM places WHERE state = 'ready'")
    assert list(rows) == [(len(made.rooms),)]
    expected_somewhere = set()
    for member in made.people.values():
        person = bot.person(member)
        for asking in (made.rooms["lobby"], made.rooms["adult"], made.rooms["adult-thread"]):
            if not asking.seen_by(member):
                continue
            expected = made.readable(member, asking)
            seen, text = await rooms_shown(made, person, asking)
            assert seen == expected, f"{member.display_name} from {asking.name}"
            assert f"{len(expected)} picture{'s' if len(expected) != 1 else ''} searched" in text
            expected_somewhere |= expected
    assert expected_somewhere == made.rooms.keys()


async def test_guests_see_the_lobby_and_nothing_else(bot: Running, made: City) -> None:
    person = bot.person(made.people["guest"])
    seen, _ = await rooms_shown(made, person, made.rooms["lobby"])
    assert seen == {"lobby"}
    lobby = made.rooms["lobby"].id
    for _ in range(5):
        (jump,) = (await person.slash(lobby, "random")).jump_links()
        assert jump.channel_id == lobby
    named = await person.slash(lobby, "similar", {"text": "picture in:staff"})
    unknown = await person.slash(lobby, "similar", {"text": "picture in:nowhere"})
    assert named.text().replace("staff", "nowhere") == unknown.text()


async def test_a_members_role_taken_away_closes_the_next_page(bot: Running, made: City) -> None:
    person = bot.person(made.people["moderator"])
    reply = await person.slash(made.rooms["lobby"].id, "similar", {"text": EVERYTHING})
    assert any(jump.channel_id == made.rooms["staff"].id for jump in reply.jump_links()) or reply.buttons()
    made.people["moderator"].update(roles=[])
    turned = await person.press(reply, "Next") if reply.buttons() else reply
    assert {jump.channel_id for jump in turned.jump_links()} <= {made.rooms["lobby"].id}
    assert "1 picture searched" in turned.text()


async def test_a_time_out_leaves_what_can_be_read_and_takes_what_needs_more(bot: Running, made: City) -> None:
    moderator = made.people["moderator"]
    person = bot.person(moderator)
    reply = await person.slash(made.rooms["lobby"].id, "similar", {"text": EVERYTHING})
    moderator.update(timed_out_until_ms=made.world.clock.now_ms() + 3_600_000)
    seen = {jump.channel_id for jump in (await person.press(reply, "Next")).jump_links()}
    seen |= {jump.channel_id for jump in (await person.press(reply, "Previous")).jump_links()}
    expected = made.readable(moderator, made.rooms["lobby"])
    assert seen == {made.rooms[name].id for name in expected}
    assert not expected & {"voice", "private", "buried"}


async def test_leaving_a_private_thread_hides_it_within_seconds(bot: Running, made: City) -> None:
    now = 1000.0
    bot.client.thread_members.clock = lambda: now
    person = bot.person(made.people["chosen"])
    assert "private" in (await rooms_shown(made, person, made.rooms["lobby"]))[0]
    thread = made.rooms["private"]
    assert isinstance(thread, Thread)
    thread.member_ids.pop(made.people["chosen"].id)
    now += JOINED_S
    assert "private" not in (await rooms_shown(made, person, made.rooms["lobby"]))[0]


async def test_what_somebody_who_wants_to_be_forgotten_posted_is_found_by_nobody(bot: Running, made: City) -> None:
    owner = made.people["owner"]
    await bot.service.forget_user(UserId(owner.id))

    async def gone() -> bool:
        return not (await rooms_shown(made, bot.person(owner), made.rooms["adult"]))[0]

    await until(gone)
