"""What happened while the gateway was away, and was never told: a new session forgets what the old one vouched for."""

from __future__ import annotations

from pathlib import Path

from tests.worlds.asking import shown, similar
from tests.worlds.running_bot import indexed, noise, town
from tests.worlds.waiting import until


async def test_a_hit_that_was_deleted_while_the_session_was_lost_is_not_shown_though_it_was_verified_before(
    tmp_path: Path,
) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        member, gateway = bot.person(place.member), bot.sandbox.gateway
        message = next(message for message in place.pictures.messages() if message.content.endswith("number 3"))
        assert message.id in shown(await similar(member, place.talk.id, image=noise(3).data))
        await gateway.forget_sessions()
        message.delete()
        await until(lambda: gateway.connected(place.guild))
        assert message.id not in shown(await similar(member, place.talk.id, image=noise(3).data))
