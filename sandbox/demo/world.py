"""The demo guild: a small town's server with two years of messages and pictures. The same seed gives the same guild."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final

from sandbox import permissions
from sandbox.demo import texts
from sandbox.demo.bad_files import bad_files
from sandbox.demo.pictures import FORMATS, SIZES, Picture, animation, captioned, cropped, smaller
from sandbox.drawing.concepts import CONCEPTS, Concept
from sandbox.drawing.scene import Scene, random_scene
from sandbox.permissions import Permission
from sandbox.world import Channel, ChannelKind, Embed, File, Guild, Member, Message, User, World

SEED: Final = 2026
_YEARS_MS: Final = 2 * 365 * 24 * 3600 * 1000
_HOUR_MS: Final = 3600 * 1000
_DAY_MS: Final = 24 * _HOUR_MS

# Concepts that are drawn in one landmark only. A landmark is a picture that a question of the demo looks for.
RESERVED: Final = (
    "penguin", "owl", "maple leaf", "castle", "rocket", "flying saucer", "crystal ball", "ghost", "unicorn",
    "lobster", "volcano", "piano", "snowman", "octopus",
)  # fmt: skip
_CAT: Final = "cat"  # drawn in several channels, but only once in the forum
_THEMES: Final = {
    "pets-and-beasts": ("animal",),
    "kitchen": ("food",),
    "photos": ("place", "weather", "plant", "animal"),
    "memes": ("face", "object", "animal", "food"),
    "getting-about": ("vehicle", "place", "weather"),
    "after-dark": ("object", "face", "food"),
}
_PEOPLE: Final = (
    ("ben_okafor", "Ben"), ("aiko", "Aiko"), ("tomas.r", "Tomás"), ("priya_n", "Priya"), ("jonas", "Jonas"),
    ("leila", "Leïla"), ("oldsam", "Old Sam"), ("nina.k", "Nina"), ("kofi", "Kofi"), ("ruth_b", "Ruth"),
    ("wren", "Wren"), ("dmitri", "Dmitri"), ("inês", "Inês"),
)  # fmt: skip


@dataclass
class DemoWorld:
    """The built world. `people` are its users by name.

    `posted` says what every picture message shows, by message id. `landmarks` are the messages that questions look for.
    `pictures` has the picture of each landmark (the last one if there are several).
    """

    world: World
    guild: Guild
    owner: User
    people: dict[str, User]
    landmarks: dict[str, Message] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    posted: dict[int, tuple[Picture, ...]] = field(default_factory=dict)

    def channel(self, name: str) -> Channel:
        """A channel or thread by name."""
        return self.guild.named(name)

    def member(self, name: str) -> Member:
        """A member by user name."""
        return self.guild.members[self.people[name].id]

    def counts(self) -> tuple[int, int, int]:
        """(channels and threads, messages, picture messages) of the whole guild."""
        channels = [*self.guild.channels.values(), *self.guild.threads.values()]
        return len(channels), sum(len(channel) for channel in channels), len(self.posted)


def build(seed: int = SEED, *, now_ms: int | None = None, bot_allowed: Permission = permissions.INVITED) -> DemoWorld:
    """The demo guild. `now_ms` fixes its clock (Unix milliseconds; None: now). Ages are relative to that time."""
    return _Builder(seed, now_ms, bot_allowed).build()


class _Builder:
    def __init__(self, seed: int, now_ms: int | None, bot_allowed: Permission) -> None:
        self.rng = Random(seed)
        self.world = World(now_ms=now_ms)
        self.now_ms = self.world.clock.now_ms()
        owner = self.world.user("mara.lind", "Mara")
        self.guild = self.world.guild("Lower Wickham", owner, bot_allowed=bot_allowed)
        people = {name: self.world.user(name, shown) for name, shown in _PEOPLE}
        self.demo = DemoWorld(self.world, self.guild, owner, people | {owner.name: owner})
        self.readers: dict[int, list[User]] = {}  # of each channel: who may do what does not change while this builds
        self.pool = [concept for concept in CONCEPTS if concept.id not in (*RESERVED, _CAT)]
        self.by_id = {concept.id: concept for concept in CONCEPTS}
        self.moderator = self.guild.role("Moderator", Permission.MANAGE_MESSAGES | Permission.MANAGE_THREADS)
        self.guild.role("Baker")
        for i, user in enumerate(people.values()):
            roles = [self.moderator] if i in (1, 9) else []
            self.guild.join(user, *roles, joined_ms=self.now_ms - _YEARS_MS - i * 9 * _HOUR_MS)

    def build(self) -> DemoWorld:
        self._channels()
        self._talk()
        self._forum()
        self._archived_thread()
        self._landmarks()
        self._reposts()
        self._oddities()
        return self.demo

    # Rooms

    def _channels(self) -> None:
        guild = self.guild
        town = guild.channel("Town", ChannelKind.CATEGORY)
        guild.channel("town-hall", ChannelKind.ANNOUNCEMENT, category=town)
        guild.channel("lounge", category=town, topic="Everything and nothing")
        guild.channel("memes", category=town)
        guild.channel("photos", category=town, topic="Yours, please, not the internet's")
        guild.channel("pets-and-beasts", category=town)
        guild.channel("kitchen", category=town)
        guild.channel("getting-about", category=town)
        guild.channel("odd-files", category=town, topic="What would not open")
        guild.channel("workshop", ChannelKind.FORUM, category=town)
        guild.channel("after-dark", category=town, age_restricted=True)
        guild.channel("lounge-voice", ChannelKind.VOICE, category=town)
        bot = self.guild.me.roles[0]
        hidden = guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL)
        shown = Permission.VIEW_CHANNEL
        open_to = [hidden, self.moderator.overwrite(allow=shown), bot.overwrite(allow=shown)]
        back = guild.channel("Back office", ChannelKind.CATEGORY, overwrites=open_to)
        guild.channel("moderators", category=back)
        # Even the bot cannot see this channel: nothing in it may ever be found.
        guild.channel("vault", overwrites=[hidden])

    def _when(self) -> int:
        """A time in the last two years, more often recent and in the evening."""
        share: float = self.rng.random() ** 1.4
        moment = self.now_ms - round(share * (_YEARS_MS - 26 * _HOUR_MS)) - 2 * _HOUR_MS
        day = moment - moment % _DAY_MS
        return min(day + round(self.rng.triangular(6, 24, 19) * _HOUR_MS), self.now_ms - _HOUR_MS)

    def _somebody(self, channel: Channel) -> User:
        """A person who may read that channel."""
        if channel.id not in self.readers:
            members = self.guild.members.values()
            self.readers[channel.id] = [m.user for m in members if not m.user.bot and channel.read_by(m)]
        return self.rng.choice(self.readers[channel.id])

    # Chatter

    def _talk(self) -> None:
        plan = {
            "town-hall": (12, 4), "lounge": (150, 18), "memes": (60, 50), "photos": (50, 60),
            "pets-and-beasts": (45, 44), "kitchen": (40, 40), "getting-about": (30, 34), "after-dark": (20, 12),
            "moderators": (24, 8), "vault": (6, 4), "lounge-voice": (6, 1), "odd-files": (10, 2),
        }  # fmt: skip
        for name, (lines, pictures) in plan.items():
            channel = self.demo.channel(name)
            for _ in range(lines):
                said = self.rng.choice(texts.CHAT.get(name, texts.CHAT["lounge"]))
                channel.post(self._somebody(channel), said, at_ms=self._when())
            for _ in range(pictures):
                self._picture_message(channel, self._when())

    def _concepts(self, channel: Channel) -> list[Concept]:
        themes = _THEMES.get(channel.name)
        fitting = [concept for concept in self.pool if themes and concept.category in themes]
        # Members do not always stay on topic.
        return fitting if fitting and self.rng.random() < 0.85 else self.pool

    def _picture(self, scene: Scene) -> Picture:
        return Picture(scene, self.rng.choice(SIZES), self.rng.choice(FORMATS))

    def _named(self, scene: Scene) -> dict[str, str]:
        words = [self.rng.choice(placed.concept.words) for placed in scene.placed]
        other = words[1] if len(words) > 1 else "tea"
        return {"thing": words[0], "other": other}

    def _file(self, picture: Picture, *, telling: bool = True, spoiler: bool = False) -> File:
        """A file with a name as phones and people give it, sometimes with an alt text."""
        names = self._named(picture.scene)
        day = datetime.fromtimestamp((self.now_ms - self.rng.randrange(_YEARS_MS)) / 1000, UTC).strftime("%Y%m%d")
        patterns = texts.FILE_NAMES if telling else [name for name in texts.FILE_NAMES if "{thing}" not in name]
        pattern = self.rng.choice(patterns)
        thing = names["thing"].replace(" ", "_")
        name = pattern.format(n=self.rng.randrange(1000, 9999), x=picture.extension, day=day, thing=thing)
        alt = self.rng.choice(texts.ALT_TEXTS).format(**names) if telling and self.rng.random() < 0.08 else None
        return picture.file(name, description=alt, spoiler=spoiler)

    def _picture_message(self, channel: Channel, at_ms: int) -> None:
        """A message with a drawn picture, sometimes two, and a caption that often says nothing about it."""
        count = 2 if self.rng.random() < 0.06 else 1
        scenes = [random_scene(self.rng, self._concepts(channel)) for _ in range(count)]
        said = self.rng.choice(texts.PLAIN)
        if self.rng.random() < 0.35:
            said = self.rng.choice(texts.TELLING).format(**self._named(scenes[0]))
        pictures = [self._picture(scene) for scene in scenes]
        files = [self._file(picture, spoiler=self.rng.random() < 0.02) for picture in pictures]
        message = channel.post(self._somebody(channel), said, files=files, at_ms=at_ms)
        self.demo.posted[message.id] = tuple(pictures)

    def _forum(self) -> None:
        forum = self.demo.channel("workshop")
        for title, opening in texts.POSTS:
            starts = self._when() - 30 * _DAY_MS
            author = self._somebody(forum)
            post = forum.thread(title, author, at_ms=starts)
            first = post.post(author, opening)
            self.demo.landmarks[f"post: {title}"] = first
            for i in range(6):
                moment = starts + (i + 1) * self.rng.randrange(4, 60) * _HOUR_MS
                self._picture_message(post, min(moment, self.now_ms - _HOUR_MS))
                said = self.rng.choice(texts.CHAT["photos"])
                post.post(self._somebody(forum), said, at_ms=min(moment + 60_000, self.now_ms))

    def _archived_thread(self) -> None:
        photos = self.demo.channel("photos")
        starts = self.now_ms - 400 * _DAY_MS
        ended = starts + 20 * _DAY_MS
        thread = photos.thread("autumn walk", self.demo.people["wren"], at_ms=starts, archived=True, archived_ms=ended)
        for i in range(10):
            thread.post(self._somebody(photos), self.rng.choice(texts.CHAT["photos"]), at_ms=starts + i * 5 * _HOUR_MS)
            self._picture_message(thread, starts + (i * 5 + 1) * _HOUR_MS)

    # What the questions look for

    def _scene(self, *concepts: str) -> Scene:
        """A scene that shows exactly these concepts."""
        chosen = [self.by_id[name] for name in concepts]  # type: ignore[index]  # names are ConceptIds
        return random_scene(self.rng, chosen, len(chosen))

    def _landmark(
        self, key: str, place: str, scenes: Sequence[Scene], said: str = "", *, days: int, by: str = "",
        spoiler: bool = False,
    ) -> Message:  # fmt: skip
        """A picture message whose words and file names do not reveal what the picture shows."""
        channel = self.demo.channel(place)
        pictures = [self._picture(scene) for scene in scenes]
        files = [self._file(picture, telling=False, spoiler=spoiler) for picture in pictures]
        author = self.demo.people[by] if by else self._somebody(channel)
        message = channel.post(author, said, files=files, at_ms=self.now_ms - days * _DAY_MS - 3 * _HOUR_MS)
        self.demo.landmarks[key], self.demo.pictures[key] = message, pictures[-1]
        self.demo.posted[message.id] = tuple(pictures)
        return message

    def _landmarks(self) -> None:
        random = self.rng
        pool = self.pool
        self._landmark("crop", "photos", [random_scene(random, pool, 3)], "evening light", days=212)
        album = [random_scene(random, pool, 2) for _ in range(4)]
        self._landmark("album", "lounge", album, "all four from the weekend", days=61)
        self._landmark("penguin", "photos", [self._scene("penguin")], "met someone", days=480)
        self._landmark("walk", "autumn walk", [self._scene("owl", "maple leaf")], "look up", days=385)
        self._landmark("castle", "getting-about", [self._scene("castle", "rocket")], "busy skies", days=150)
        self._landmark("forum cat", "Show your desk", [self._scene(_CAT, "laptop")], "supervisor", days=9)
        for place in ("pets-and-beasts", "memes", "photos"):
            self._landmark(f"other cat in {place}", place, [self._scene(_CAT)], "", days=random.randrange(20, 600))
        self._landmark("secret", "moderators", [self._scene("crystal ball")], "exhibit A", days=33, by="aiko")
        self._landmark("vault", "vault", [self._scene("piano")], "the deed", days=300, by="mara.lind")
        self._landmark("night", "after-dark", [self._scene("ghost", "candle")], "3 am", days=75)
        self._landmark("spoiler", "lounge", [self._scene("octopus")], "the ending!", days=27, spoiler=True)
        self._landmark(
            "snowman", "kitchen", [self._scene("snowman", "carrot")], "wrong channel, sorry", days=340, by="kofi"
        )
        self._landmark("original", "photos", [random_scene(random, pool, 2)], "first try with the new film", days=530)

    def _reposts(self) -> None:
        """Posts crops, captioned copies and smaller copies of pictures that were posted before."""
        memes, lounge = self.demo.channel("memes"), self.demo.channel("lounge")
        original = self.demo.pictures["original"]
        joke = original.edited(captioned("when you see it"))
        self._post_copy("captioned", memes, joke, "I'm crying", days=88)
        sources = [m for c in ("photos", "pets-and-beasts", "kitchen") for m in self.demo.channel(c).messages()]
        known = {message.id for message in self.demo.landmarks.values()}
        copied = [m for m in sources if m.id in self.demo.posted and m.id not in known]
        lines = ("mood", "so true", "no way", "this is fine", "every single time", "who did this", "literally me")
        for i, message in enumerate(self.rng.sample(copied, 24)):
            edit = (cropped(0.8, i), captioned(self.rng.choice(lines)), smaller)[i % 3]
            copy = self.demo.posted[message.id][0].edited(edit)
            self._post_copy(f"copy {i}", memes if i % 4 else lounge, copy, self.rng.choice(texts.CHAT["memes"]))

    def _post_copy(self, key: str, channel: Channel, picture: Picture, said: str, days: int | None = None) -> None:
        at_ms = self._when() if days is None else self.now_ms - days * _DAY_MS
        file = picture.file(f"{self.rng.choice(('image0', 'unknown', 'download'))}.{picture.extension}")
        self._keep(key, channel.post(self._somebody(channel), said, files=[file], at_ms=at_ms), picture)

    def _oddities(self) -> None:
        """Posts an embed, an animation, a forward, a gallery of another bot, a sticker,
        and files that are no pictures.
        """
        demo, now = self.demo, self.now_ms
        lounge, photos = demo.channel("lounge"), demo.channel("photos")
        saucer = Picture(self._scene("flying saucer"), (640, 480), "jpg")
        paper = "https://wickham-gazette.example"
        hosted = self.world.host(f"{paper}/front-page.jpg", saucer.file("front-page.jpg"))
        embed = Embed(
            "Lights over the mill again", "Three people saw them, one dog did not.", f"{paper}/lights", "article",
            thumbnail=hosted,
        )  # fmt: skip
        news = lounge.post(demo.people["oldsam"], embed.url, embeds=[embed], at_ms=now - 19 * _DAY_MS)
        self._keep("embed", news, saucer)

        unicorn = self._scene("unicorn")
        moving = animation(unicorn, (360, 270), "unknown.gif", self.rng)
        dance = demo.channel("memes").post(demo.people["jonas"], "the dance", files=[moving], at_ms=now - 130 * _DAY_MS)
        self._keep("gif", dance, Picture(unicorn, (360, 270), "jpg"))

        lobster = self._landmark("forwarded", "photos", [self._scene("lobster")], "for the menu", days=45)
        forward = lounge.post(demo.people["inês"], forward=lobster, at_ms=now - 44 * _DAY_MS)
        self._keep("forward", forward, demo.pictures["forwarded"])

        gallery_bot = self.world.user("gallery", "Gallery", bot=True)
        self.guild.join(gallery_bot, joined_ms=now - _YEARS_MS)
        best = Picture(self._scene("volcano"), (720, 405), "webp")
        file = best.file("best-of-may.webp")
        shown = {"type": 12, "id": 1, "items": [{"media": {"url": f"attachment://{file.name}"}}]}
        post = photos.post(gallery_bot, components=[shown], files=[file], at_ms=now - 170 * _DAY_MS)
        self._keep("gallery", post, best)

        wave = self.world.sticker("wave", Picture(self._scene("snowman"), (320, 320), "png").file("wave.png"))
        lounge.post(demo.people["nina.k"], stickers=[wave], at_ms=now - 5 * _DAY_MS)

        odd = demo.channel("odd-files")
        good = Picture(random_scene(self.rng, self.pool), (480, 360), "png").image()
        for i, (said, file) in enumerate(bad_files(good)):
            odd.post(self._somebody(odd), said, files=[file], at_ms=now - (20 + 31 * i) * _DAY_MS)

    def _keep(self, key: str, message: Message, picture: Picture) -> None:
        self.demo.landmarks[key], self.demo.pictures[key] = message, picture
        self.demo.posted[message.id] = (picture,)
