"""A small guild that contains one of everything."""

from dataclasses import dataclass

from sandbox.permissions import MEMBER, Permission
from sandbox.world import Channel, ChannelKind, Embed, File, Guild, Message, Thread, User, World
from tests.sandbox.conftest import picture


@dataclass
class Rich:
    world: World
    guild: Guild
    owner: User
    member: User
    chat: Channel
    secret: Channel
    forum: Channel
    post: Thread
    archived: Thread
    private: Thread
    picture: Message


def rich_world() -> Rich:
    """All kinds of channels, threads in every state, and messages with every kind of content."""
    world = World()
    owner, member = world.user("mara", "Mara"), world.user("ben", "Ben")
    guild = world.guild("Meadow", owner, bot_allowed=MEMBER | Permission.MANAGE_THREADS | Permission.MANAGE_MESSAGES)
    guild.join(member, guild.role("Baker"), nick="Benny")
    category = guild.channel("Town", ChannelKind.CATEGORY)
    chat = guild.channel("chat", category=category, topic="talk")
    secret = guild.channel("secret", overwrites=[guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL)])
    guild.channel("news", ChannelKind.ANNOUNCEMENT)
    guild.channel("voice", ChannelKind.VOICE)
    guild.channel("stage", ChannelKind.STAGE)
    guild.channel("media", ChannelKind.MEDIA)
    guild.channel("night", age_restricted=True)
    forum = guild.channel("forum", ChannelKind.FORUM)
    post = forum.thread("a post", member)
    post.post(member, "in the forum", files=[File.of("forum.webp", picture(kind="WEBP"))])
    archived = chat.thread("old talk", member, archived=True)
    archived.post(member, "long ago")
    private = chat.thread("whispers", owner, private=True, members=[world.bot])
    chat.thread("old whispers", owner, private=True, archived=True, members=[world.bot])
    chat.post(member, f"hello <@{owner.id}> @everyone https://pictures.example")
    shown = chat.post(
        member,
        "look",
        files=[
            File.of("a.png", picture(), description="a red field"),
            File.of("b.jpg", picture(kind="JPEG"), spoiler=True),
            File.of("notes.txt", b"no picture"),
        ],
    )
    hosted = world.host("https://pictures.example/cat.png", File.of("cat.png", picture()))
    chat.post(
        member, "https://pictures.example", embeds=[Embed("A cat", "on a mat", hosted.url, "article", image=hosted)]
    )
    chat.post(owner, "nice", reply_to=shown)
    chat.post(owner, forward=shown)
    chat.post(owner, stickers=[world.sticker("wave", File.of("wave.png", picture()))])
    gallery = {"type": 12, "id": 1, "items": [{"media": {"url": "attachment://g.png"}}]}
    text = {"type": 10, "id": 2, "content": "best of"}
    chat.post(world.user("gallery", bot=True), components=[gallery, text], files=[File.of("g.png", picture())])
    return Rich(world, guild, owner, member, chat, secret, forum, post, archived, private, shown)
