"""What history is made of: guilds, channels, messages and the pictures that a message names, not yet fetched.

A *place* is where a picture is shown: one attachment, embed image or forwarded file of one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum

from indexer.records.exif import Exif
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, OriginId, UserId, snowflake_ms


class ChannelKind(StrEnum):
    """What kind of channel it is. FORUM and MEDIA hold threads only, no messages of their own."""

    TEXT = "text"
    ANNOUNCEMENT = "announcement"
    VOICE = "voice"
    STAGE = "stage"
    FORUM = "forum"
    MEDIA = "media"
    PUBLIC_THREAD = "public-thread"
    PRIVATE_THREAD = "private-thread"
    ANNOUNCEMENT_THREAD = "announcement-thread"

    @property
    def holds_messages(self) -> bool:
        return self not in (ChannelKind.FORUM, ChannelKind.MEDIA)

    @property
    def is_thread(self) -> bool:
        return self in (
            ChannelKind.PUBLIC_THREAD,
            ChannelKind.PRIVATE_THREAD,
            ChannelKind.ANNOUNCEMENT_THREAD,
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """An archive that messages were read from. `kind` names its parser. `version` changes with its content.

    `media_folders` are more folders that may contain its saved files.
    """

    id: OriginId
    kind: str
    location: str
    version: str
    media_folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guild:
    id: GuildId
    name: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel or thread. `parent_id` is a thread's channel (categories are not stored).

    `origin_id` is the archive that showed it. It is DISCORD as soon as Discord has listed the channel.
    """

    id: ChannelId
    guild_id: GuildId
    kind: ChannelKind
    name: str
    parent_id: ChannelId | None = None
    age_restricted: bool = False
    archived: bool = False
    origin_id: OriginId = DISCORD


class Source(StrEnum):
    """Where in a message a picture is."""

    ATTACHMENT = "attachment"
    EMBED_IMAGE = "embed-image"
    EMBED_THUMBNAIL = "embed-thumbnail"
    EMBED_VIDEO = "embed-video"  # the poster of an embedded video
    VIDEO = "video"  # the poster of an attached video
    COMPONENT = "component"  # media gallery, section thumbnail, file
    STICKER = "sticker"


class PlaceFlag(IntFlag):
    """Properties of a place that a filter can ask for."""

    ANIMATED = 1
    SPOILER = 2
    FORWARDED = 4
    EMBEDDED = 8  # shown by an embed, not uploaded
    STICKER = 16
    VIDEO = 32


NO_FLAGS = PlaceFlag(0)


@dataclass(frozen=True, slots=True)
class PictureRef:
    """One picture as a message names it, not yet fetched.

    `link` is its identity: the URL without query. `url` is the signed URL to fetch now. `proxy_url` is the same file at
    Discord's media proxy. Sizes are those that Discord gives (bytes, pixels), or None. `path` is where the archive has
    the file, in a form that helps a person to find it; empty where there is only the link. `exif` is what the file of a
    collection says; of Discord's pictures it is never kept. Where the picture is the still of a video, `video_url` is
    where the video is to be fetched now, and `video_size` its bytes; empty and None where nobody says it.
    """

    ordinal: int
    source: Source
    link: str
    url: str
    proxy_url: str | None = None
    file_name: str = ""
    alt_text: str = ""
    content_type: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    flags: PlaceFlag = NO_FLAGS
    path: str = ""
    exif: Exif | None = None
    video_url: str = ""
    video_size: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message. Its id contains its time. `pictures` have distinct ordinals.

    `ignored`: it must not be stored (it is the bot's own, or another bot's where `crawl.bots` is false). If it is
    stored already, it is deleted. Such a message has no words and no pictures. `by_bot`: a bot or a webhook wrote it.
    """

    id: MessageId
    channel_id: ChannelId
    guild_id: GuildId
    author_id: UserId
    author_name: str
    content: str = ""
    edited_ms: int | None = None
    pictures: tuple[PictureRef, ...] = ()
    ignored: bool = False
    by_bot: bool = False

    @property
    def created_ms(self) -> int:
        return snowflake_ms(self.id)
