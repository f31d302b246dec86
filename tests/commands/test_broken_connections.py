"""A connection to Discord that breaks in the middle of an answer: the member gets it all the same, or is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.world import File
from tests.worlds.running_bot import indexed, noise, town
from tests.worlds.waiting import until

EDITS = "messages/@original"


async def test_a_reply_whose_edit_broke_is_edited_again_and_else_said_to_be_late(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """That Discord fails is one line in the log, and no fault of the bot."""
    place = town(pictures=3, secrets=0)
    async with indexed(place, tmp_path) as bot:
        owner, faults = bot.person(place.owner), bot.sandbox.faults
        for command, options in (("similar", {"text": "picture number 1"}), ("random", {}), ("stats", {})):
            faults.plan("truncate", EDITS)
            reply = await owner.slash(place.talk.id, command, options)
            assert "error" not in reply.text().lower()
            assert reply.text()
        faults.plan("truncate", EDITS, times=2)
        await owner.slash(place.talk.id, "similar", {"text": "picture number 2"})
        await until(lambda: "in similar, guild" in caplog.text)
        assert faults.struck["truncate"] == 5
        faults.rates, faults.only, faults.in_a_row = {"500": 1.0}, "attachments", 1000
        asked = {"image": File.of("asked.png", noise(3).data)}
        late = await owner.slash(place.talk.id, "similar", asked)
        await late.until(lambda shown: "did not answer in time" in shown.content, 60.0)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
