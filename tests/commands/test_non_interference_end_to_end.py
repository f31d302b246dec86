"""The same promise over real sockets: what a member may not see changes no byte of what the member is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sandbox.members import Person
from sandbox.reply import Reply
from sandbox.world import Message
from tests.worlds.running_bot import Running, Town, indexed, noise, town
from tests.worlds.waiting import until

# What differs between two replies to the same question of the same member: the token in its buttons' names, and the
# signature of its links.
_TOKEN, _SIGNATURE = re.compile(r"reply:[\w-]+:"), re.compile(r"\?ex=[^\"]*")


def sent(reply: Reply) -> str:
    raw = json.dumps([reply.content, reply.components], ensure_ascii=False)
    return _SIGNATURE.sub("", _TOKEN.sub("reply:token:", raw))


async def conversation(who: Person, channel_id: int, own: Message) -> list[str]:
    """What the member is told by every command, with pages turned and hits followed."""
    replies: list[Reply] = []

    async def ask(name: str, **options: Any) -> Reply:
        replies.append(await who.slash(channel_id, name, options))
        return replies[-1]

    for text in ("picture", '"picture number"', '"the code is k*"', "number -17", "kafka", "secret in:#secret"):
        await ask("similar", text=text, explain=True)
    listed = await ask("similar", text="picture number 3 min:-1", count=12, explain=True)
    replies.append(await who.select(listed, "More like …", ["More like picture 2"]))
    await who.press(listed, "Next")
    await ask("similar", image=noise(3).data, explain=True)
    await ask("similar", image=noise(5).data, text="number 5 from:@ada")
    replies.append(await who.message_command(channel_id, "Find similar", own.id))
    for name in ("duplicates", "stats", "help", "privacy"):
        await ask(name)
    await ask("random", before="2016")
    by = [await who.user_command(channel_id, "Pictures by …", user) for user in (who.member, who.member.guild.owner)]
    suggested = [
        await who.autocomplete(channel_id, "similar", {"text": text}, "text")
        for text in ("from:", "in:", "cat from:a", "in:s", "-in:#p")
    ]
    return [*(sent(reply) for reply in (*replies, *by)), repr(suggested)]


async def ready(bot: Running, count: int) -> None:
    async def stored() -> bool:
        async with bot.service.db.reader() as connection:
            rows = await connection.execute_fetchall(
                "SELECT count(*) FROM places JOIN embeddings USING (picture_id) WHERE state = 'ready'"
            )
        return list(rows) == [(count,)]

    await until(stored)


def hide(place: Town, elsewhere: Any) -> int:
    """Posts the member's own words and pictures, and secret ones, where the member may not look; returns how many."""
    thread = place.talk.thread("private", place.owner.user, private=True)
    for room in (place.secret, thread, elsewhere):
        for number in range(8):
            room.post(place.owner.user, f"picture number {number}: the code is kafka", files=[noise(number)])
        room.post(place.owner.user, "number 17", files=[noise(2_000 + room.id % 7), noise(3_000 + room.id % 11)])
    return 3 * 10


async def test_what_is_posted_out_of_sight_and_asked_by_others_changes_no_byte_of_a_members_replies(
    tmp_path: Path,
) -> None:
    place = town(pictures=20, secrets=2)
    own = place.talk.post(place.member.user, "mine", files=[noise(7)])
    hidden_author = place.guild.join(place.world.user("aron", "Aron"))
    other = place.world.guild("Elsewhere", place.owner.user)
    elsewhere = other.channel("pictures")
    elsewhere.post(place.owner.user, "picture elsewhere", files=[noise(900)])
    async with indexed(place, tmp_path / "data") as bot:
        await bot.indexed(other)
        await ready(bot, 24)
        member = bot.person(place.member)
        before = await conversation(member, place.talk.id, own)
        hidden = hide(place, elsewhere)
        place.secret.post(hidden_author.user, "by somebody else", files=[noise(4_000)])
        await ready(bot, 24 + hidden + 1)
        owner = await conversation(bot.person(place.owner), place.talk.id, own)
        await bot.service.index.maintain(bot.service.db)
        assert await conversation(member, place.talk.id, own) == before
        assert owner != before
