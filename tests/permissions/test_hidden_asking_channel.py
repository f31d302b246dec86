"""A member asks from a channel that the bot may not view: Discord hides its age restriction from the bot."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.permissions import Permission
from tests.worlds.running_bot import noise, running, town, with_auto_start


@pytest.mark.parametrize("adult", [True, False])
async def test_age_restricted_pictures_are_shown_where_the_hidden_channel_is_age_restricted(
    tmp_path: Path, adult: bool
) -> None:
    place = town(pictures=2, secrets=0)
    guild = place.guild
    open_to_the_bot = guild.channel("adults", age_restricted=True)
    open_to_the_bot.post(place.owner.user, "picture for adults", files=[noise(77)])
    asked_from = guild.channel(
        "hidden",
        age_restricted=adult,
        overwrites=[guild.me.overwrite(deny=Permission.VIEW_CHANNEL)],
    )
    thread = asked_from.thread("side room", place.owner.user)
    options, shown = {"text": "picture min:-1"}, f"<#{open_to_the_bot.id}>"
    async with running(place.world, tmp_path, with_auto_start) as bot:
        await bot.indexed(guild)
        member = bot.person(place.member)
        assert shown not in (await member.slash(place.talk.id, "similar", options)).text()
        # Nobody has told the bot of a thread's channel: less is shown.
        assert shown not in (await member.slash(thread.id, "similar", options)).text()
        for _ in range(2):
            reply = await member.slash(asked_from.id, "similar", options)
            assert (shown in reply.text()) == adult
        assert "hidden" not in {channel.name for channel in bot.client.get_all_channels()}  # it stays hidden
