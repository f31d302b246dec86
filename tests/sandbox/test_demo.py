"""The demo guild is what the demo promises, and what it prints is what members see."""

import asyncio
import io
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from bot.config.loader import load
from bot.gateway.refusals import invitation
from sandbox.demo.bad_files import HUGE_PX, bad_files
from sandbox.demo.bot import config_text, environment
from sandbox.demo.contact_sheet import Row, Shown, contact_sheet
from sandbox.demo.hits import age, hits
from sandbox.demo.questions import questions
from sandbox.demo.world import RESERVED, DemoWorld, build
from sandbox.drawing.concepts import CONCEPTS
from sandbox.drawing.scene import concept_ids
from sandbox.interactions import Kind
from sandbox.permissions import INVITED, OverwriteKind, Permission
from sandbox.reply import Reply
from sandbox.server import open_sandbox
from sandbox.world import ChannelKind, Embed, Message, MessageFlag, Thread
from tests.sandbox.conftest import picture
from tests.sandbox.raw import raw_client
from tests.worlds.waiting import DEADLINE_S

pytestmark = pytest.mark.xdist_group("demo")  # one process makes the world

NOW = 1_795_000_000_000


@pytest.fixture(scope="module")
def demo() -> DemoWorld:
    return build(now_ms=NOW)


def _messages(demo: DemoWorld) -> list[Message]:
    return [message for channel in demo.world.channels() for message in channel.messages()]


def test_the_guild_has_the_rooms_that_were_promised(demo: DemoWorld) -> None:
    channels = list(demo.guild.channels.values())
    bot, everyone = demo.guild.me, demo.guild.everyone
    closed = (OverwriteKind.ROLE, everyone.id)
    hidden = [c for c in channels if closed in c.overwrites and c.overwrites[closed].deny & Permission.VIEW_CHANNEL]
    assert sum(len(channel) > 0 for channel in channels) >= 6
    assert any(channel.read_by(bot) for channel in hidden)
    assert any(channel.age_restricted for channel in channels)
    forum = next(channel for channel in channels if channel.kind is ChannelKind.FORUM)
    assert len(list(forum.threads())) >= 3
    assert any(thread.archived and len(thread) for thread in demo.guild.threads.values())


def test_the_guild_has_the_messages_and_pictures_that_were_promised(demo: DemoWorld) -> None:
    _, messages, pictures = demo.counts()
    assert messages >= 600
    assert pictures >= 250
    everything = _messages(demo)
    files = [attachment.file for message in everything for attachment in message.attachments]
    assert {file.extension for file in files} >= {"png", "jpg", "webp", "gif"}
    assert any(len(message.attachments) == 4 for message in everything)
    assert any(isinstance(embed, Embed) and embed.thumbnail for message in everything for embed in message.embeds)
    assert any(message.flags & MessageFlag.HAS_SNAPSHOT for message in everything)
    assert any(file.flags & 8 for file in files)
    ages = [(NOW - demo.world.clock.now_ms(), message.id >> 22) for message in everything]
    days = (max(made for _, made in ages) - min(made for _, made in ages)) / 86_400_000
    assert days > 600
    assert len({message.author.id for message in everything}) > 10


def test_the_same_seed_gives_the_same_guild(demo: DemoWorld) -> None:
    def told(found: DemoWorld) -> list[tuple[str, str, list[str]]]:
        return [(m.author.name, m.content, [a.file.name for a in m.attachments]) for m in _messages(found)]

    again = build(now_ms=NOW)
    assert told(demo) == told(again)
    assert told(demo) != told(build(7, now_ms=NOW))
    key = "crop"
    assert demo.pictures[key].encoded() == again.pictures[key].encoded()


def test_what_a_question_asks_in_words_is_drawn_where_it_expects_it_only(demo: DemoWorld) -> None:
    names = {concept.id for concept in CONCEPTS}
    assert set(RESERVED) <= names
    for question in questions(demo):
        if question.expected is None or not question.words or question.picture or question.options:
            continue
        target = demo.landmarks[question.expected]
        wanted = {placed.concept.id for placed in demo.pictures[question.expected].scene.placed}
        showing = [i for i, shown in demo.posted.items() if any(wanted <= concept_ids(p.scene) for p in shown)]
        assert showing == [target.id], question.title
        assert not any(word in target.content.lower() for word in question.words.split() if len(word) > 3)


def test_every_question_is_asked_by_someone_who_may_read_the_answer(demo: DemoWorld) -> None:
    asked = questions(demo)
    assert len([question for question in asked if question.expected]) >= 10
    for question in asked:
        member = demo.member(question.asker)
        assert demo.channel(question.place).read_by(member)
        if question.expected:
            assert demo.landmarks[question.expected].channel.read_by(member)


def test_bad_files_are_bad_each_in_its_own_way() -> None:
    files = {file.name: file for _, file in bad_files(Image.new("RGB", (64, 48), "red"))}
    huge = files["poster_final_FINAL.png"]
    assert (huge.width, huge.height) == (HUGE_PX, HUGE_PX)
    assert huge.size < 1000
    assert files["empty.png"].size == 0
    assert files["whiteboard.png"].width is None
    with Image.open(io.BytesIO(files["actually_a_jpeg.png"].data)) as wrong:
        assert wrong.format == "JPEG"
    for name in ("IMG_4410.jpg", "holiday.png"):
        with pytest.raises((OSError, SyntaxError)), Image.open(io.BytesIO(files[name].data)) as broken:
            broken.load()


async def test_every_file_of_the_guild_can_be_had_and_every_picture_made_small(demo: DemoWorld) -> None:
    chosen = [demo.landmarks[key] for key in ("crop", "album", "gif", "captioned", "gallery", "spoiler")]
    async with open_sandbox(demo.world) as sandbox, raw_client(sandbox) as api:
        for message in chosen:
            for attachment in message.attachments:
                status, data, _ = await api.read(sandbox.links.signed(attachment))
                with Image.open(io.BytesIO(data)) as found:
                    assert (status, found.size) == (200, (attachment.file.width, attachment.file.height))
                small = sandbox.links.proxied(attachment) + "&width=96&height=96&format=webp"
                assert (await api.read(small))[0] == 200


async def test_hits_are_read_from_the_sections_of_a_reply(demo: DemoWorld) -> None:
    found = demo.landmarks["penguin"]
    text = f"**1 · Same picture** (0.98)\n<@{found.author.id}> in <#{found.channel.id}> · [Go]({found.jump_url})"
    words: dict[str, Any] = {"type": 10, "id": 2, "content": text}
    media = {"url": "https://wickham-gazette.example/front-page.jpg"}
    section = {"type": 9, "id": 1, "components": [words], "accessory": {"type": 11, "id": 3, "media": media}}
    async with open_sandbox(demo.world) as sandbox:
        on = sandbox.interactions.open(Kind.COMMAND, demo.member("kofi"), found.channel, {"name": "x"})
        message = Message(demo.world.ids.make(), found.channel, demo.world.bot, components=[section, words])
        (hit,) = hits(Reply(sandbox, on, message), demo)
        assert (hit.band, hit.score, hit.channel, hit.link) == ("Same picture", "0.98", "#photos", found.jump_url)
        assert hit.author == found.author.display_name
        assert hit.thumbnail is not None
        assert hit.thumbnail.startswith(sandbox.base_url)


@pytest.mark.parametrize(
    ("hours", "said"), [(0.1, "1 h"), (5, "5 h"), (49, "2 days"), (24 * 100, "3 months"), (24 * 730, "2.0 years")]
)
def test_ages_are_said_as_people_say_them(hours: float, said: str) -> None:
    assert age(round(hours * 3_600_000)) == said


def test_the_contact_sheet_shows_each_question_and_its_hits(tmp_path: Path) -> None:
    path = tmp_path / "made" / "sheet.png"
    hit = Shown(picture(), "Same picture 0.98", "#photos · Tomás · a very long time ago indeed, months", expected=True)
    poor = [Shown(None, "Related", ""), Shown(b"broken", "Related", "")]
    title = "Ben in #lounge: a crop of an old photo, uploaded, with a title that needs lines"
    rows = [
        Row(title, "", Image.new("RGB", (300, 200)), True, [hit] * 5),
        Row("Kofi in #photos: words", "penguin", None, False, poor),
        Row("Priya asks in vain", "secret", None, True, [], "nothing close enough"),
    ]
    contact_sheet(rows, path, title="Lower Wickham, asked", subtitle="a few messages")
    with Image.open(path) as sheet:
        assert min(sheet.size) > 400


async def test_the_sandbox_runs_as_a_process_that_ends_with_its_parent(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", "--while-stdin", "--ready-file", str(ready), "--token", "given",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    async with asyncio.timeout(DEADLINE_S):
        told = json.loads(await process.stdout.readline())
        assert told.keys() >= {"api_base", "token", "cdn_host", "guild_id", "pid"}
        assert told["token"] == "given"
        for _ in range(500):  # the file follows the line
            if ready.exists():
                break
            await asyncio.sleep(0.01)
        assert json.loads(ready.read_text()) == told
        process.stdin.close()
        assert await process.wait() == 0


def test_threads_of_the_forum_hold_the_cat_once(demo: DemoWorld) -> None:
    cats = [
        i
        for i, shown in demo.posted.items()
        if any("cat" in concept_ids(p.scene) for p in shown)
        and isinstance(demo.world.find_channel(_channel_of(demo, i)), Thread)
    ]
    assert cats == [demo.landmarks["forum cat"].id]


def _channel_of(demo: DemoWorld, message_id: int) -> int:
    return next(channel.id for channel in demo.world.channels() if channel.message(message_id))


def test_the_demos_bot_has_the_rights_of_the_invitation_and_no_others(demo: DemoWorld) -> None:
    asked = parse_qs(urlsplit(invitation(1)).query)["permissions"]
    assert asked == [str(int(INVITED))]
    allowed = INVITED | Permission.MANAGE_THREADS
    assert demo.guild.me.roles[0].permissions == INVITED
    assert build(now_ms=NOW, bot_allowed=allowed).guild.me.roles[0].permissions == allowed


async def test_the_demos_data_lies_in_the_folder_that_was_named(
    demo: DemoWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("data/demo")
    folder.mkdir(parents=True)
    async with open_sandbox(demo.world) as sandbox:
        (folder / "config.toml").write_text(config_text(sandbox, folder, None))
        config = load(folder / "config.toml", environment(sandbox.token))
    assert config.settings.data_dir == tmp_path / "data" / "demo"


async def test_what_a_user_has_exported_for_their_own_bot_does_not_reach_the_demos(
    demo: DemoWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("DATA_DIR", "/elsewhere"),
        ("INDEX_SEAL_ROWS", "many"),
        ("DISCORD_TOKEN", "x"),
        ("CONFIG", "x"),
    ):
        monkeypatch.setenv(f"AFTERIMAGE_{name}", value)
    async with open_sandbox(demo.world) as sandbox:
        (tmp_path / "config.toml").write_text(config_text(sandbox, tmp_path, None))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "check-config", "--config", str(tmp_path / "config.toml"),
            env=environment(sandbox.token), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    assert (process.returncode, str(tmp_path) in output.decode()) == (0, True), output.decode()
