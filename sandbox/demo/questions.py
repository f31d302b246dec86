"""The questions of the demo's members, and the message that must come first for each."""

from dataclasses import dataclass, replace
from typing import Any, Final

from sandbox.demo.pictures import Edit, Picture, captioned, cropped, smaller
from sandbox.demo.world import DemoWorld
from sandbox.drawing import edits
from sandbox.members import Person
from sandbox.reply import Reply
from sandbox.world import File

MENU: Final = "Find similar"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `expected` is the landmark that must be the first hit (None: only `forbidden` matters).

    `picture` is what is uploaded, `words` what is typed, `options` what else is given. `menu`: asked by the message
    command on the landmark of that name. No hit may come from a channel of `forbidden`.
    """

    title: str
    asker: str
    place: str
    expected: str | None
    picture: Picture | None = None
    words: str = ""
    options: dict[str, Any] | None = None
    menu: str = ""
    forbidden: tuple[str, ...] = ()

    async def ask(self, demo: DemoWorld, person: Person) -> Reply:
        """Send the question as the member would, and wait for the answer."""
        place = demo.channel(self.place)
        if self.menu:
            target = demo.landmarks[self.menu]
            return await person.message_command(target.channel.id, MENU, target.id)
        options = dict(self.options or {})
        if self.picture is not None:
            options["image"] = File.of(f"upload.{self.picture.extension}", self.picture.encoded())
        if self.words:
            options["text"] = self.words
        return await person.slash(place.id, "similar", options)


def questions(demo: DemoWorld) -> list[Question]:
    """Every question of the demo, in the order in which they are asked."""

    def copy(key: str, edit: Edit) -> Picture:
        return demo.pictures[key].edited(edit)

    castle = _without(demo, "castle", "rocket")
    cats = demo.channel("Show your desk")
    return [
        Question("a crop of an old photo, uploaded", "ben_okafor", "lounge", "crop", copy("crop", cropped(0.8, 5))),
        Question("a small, bad copy of one of four pictures", "priya_n", "lounge", "album", copy("album", smaller)),
        Question("words", "kofi", "photos", "penguin", words="penguin"),
        Question("words, for something in an archived thread", "leila", "lounge", "walk", words="owl and maple leaf"),
        Question("a picture and words", "ruth_b", "lounge", "castle", castle, words="rocket"),
        Question(
            "words, in one forum post only", "wren", "lounge", "forum cat", words="cat", options={"channel": cats.id}
        ),
        Question("Find similar, on a captioned re-post", "dmitri", "memes", "original", menu="captioned"),
        Question("a still of an animated GIF", "tomas.r", "memes", "gif", copy("gif", captioned("that dance"))),
        Question("words, for a link's preview", "jonas", "lounge", "embed", words="flying saucer"),
        Question("words, for another bot's gallery", "nina.k", "photos", "gallery", words="volcano"),
        Question(
            "a picture, in the channel it was forwarded to", "oldsam", "lounge", "forward",
            copy("forward", edits.mirror), options={"channel": demo.channel("lounge").id},
        ),
        Question(
            "words and an author", "inês", "kitchen", "snowman", words="snowman",
            options={"author": demo.people["kofi"].id},
        ),
        Question("a moderator asks for what moderators posted", "aiko", "moderators", "secret", words="crystal ball"),
        Question(
            "a member asks for the same", "priya_n", "lounge", None, words="crystal ball", forbidden=("moderators",)
        ),
        Question("asked in the age-restricted channel", "nina.k", "after-dark", "night", words="ghost and candle"),
        Question("asked elsewhere", "nina.k", "lounge", None, words="ghost and candle", forbidden=("after-dark",)),
        Question(
            "the owner asks for what the bot cannot see", "mara.lind", "lounge", None, words="piano",
            forbidden=("vault",),
        ),
    ]  # fmt: skip


def _without(demo: DemoWorld, key: str, concept: str) -> Picture:
    """The landmark's scene without one of its things: similar to it, and posted nowhere in the guild."""
    picture = demo.pictures[key]
    remaining = tuple(placed for placed in picture.scene.placed if placed.concept.id != concept)
    return Picture(replace(picture.scene, placed=remaining), picture.size, "jpg")
