"""The world: every guild, user and file of the sandbox."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sandbox import permissions
from sandbox.permissions import Permission
from sandbox.snowflakes import Clock, Snowflakes
from sandbox.world.channels import Channel
from sandbox.world.direct import DirectChannel
from sandbox.world.events import Event
from sandbox.world.files import File
from sandbox.world.guilds import Guild, User
from sandbox.world.messages import Attachment, Hosted, Message, Sticker


@dataclass(slots=True)
class Application:
    """The bot's application, with what is switched in the developer portal: the two privileged intents, and whether an
    invitation needs a code grant, which a bot's own invitation does not carry."""

    id: int
    name: str
    token: str
    message_content: bool = True
    guild_members: bool = True
    code_grant: bool = False

    def reset_token(self) -> None:
        """The token that there was is no longer valid."""
        self.token = _token(self.id)


class World:
    """The data that the sandbox serves, and a builder for it. Everything may also change while the sandbox runs.

    `now_ms` sets the start of the clock (Unix milliseconds; None: now).
    """

    def __init__(self, *, now_ms: int | None = None) -> None:
        self.clock = Clock(now_ms)
        self.ids = Snowflakes(self.clock.now_ms)
        self.guilds: dict[int, Guild] = {}
        self.users: dict[int, User] = {}
        self.attachments: dict[int, Attachment] = {}
        self.hosted: dict[str, Hosted] = {}
        self.stickers: dict[int, Sticker] = {}
        self.direct: dict[int, DirectChannel] = {}
        """The bot's conversations, by the user's id."""
        self.closed_to_messages: set[int] = set()
        """Users who take no direct messages."""
        self._listeners: list[Callable[[Event], None]] = []
        app_id = self.ids.make()
        self.application = Application(app_id, "Afterimage", _token(app_id))
        self.bot = User(app_id, "afterimage", "Afterimage", bot=True)
        self.users[app_id] = self.bot

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from here on."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[Event], None]) -> None:
        self._listeners.remove(listener)

    def tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    # Users, guilds and channels

    def user(self, name: str, display_name: str | None = None, *, bot: bool = False) -> User:
        """A new user."""
        user = User(self.ids.make(), name, display_name or name, bot)
        self.users[user.id] = user
        return user

    def guild(
        self, name: str, owner: User, *, everyone: Permission = permissions.MEMBER,
        bot_allowed: Permission | None = permissions.BOT,
    ) -> Guild:  # fmt: skip
        """A new guild with its owner and the bot in it (`bot_allowed=None`: without the bot)."""
        guild = Guild(self, self.ids.make(), name, owner, everyone)
        self.guilds[guild.id] = guild
        guild.join(owner)
        if bot_allowed is not None:
            guild.add_bot(bot_allowed)
        return guild

    def find_channel(self, channel_id: int) -> Channel | None:
        """A channel or thread of any guild."""
        for guild in self.guilds.values():
            if channel := guild.find(channel_id):
                return channel
        return None

    def channels(self) -> Iterator[Channel]:
        """All channels and threads."""
        for guild in self.guilds.values():
            yield from guild.channels.values()
            yield from guild.threads.values()

    # Files

    def attach(self, channel_id: int, files: Sequence[File], *, ephemeral: bool = False) -> list[Attachment]:
        """Upload files: each gets an id under which the CDN serves it."""
        attachments = [Attachment(self.ids.make(), channel_id, file, ephemeral=ephemeral) for file in files]
        self.attachments.update((attachment.id, attachment) for attachment in attachments)
        return attachments

    def forget_attachments(self, message: Message) -> None:
        """The files of a message that is being deleted: their links answer 404 from now on."""
        for attachment in message.attachments:
            self.attachments.pop(attachment.id, None)

    def host(self, url: str, file: File) -> Hosted:
        """A picture on a web site outside Discord. Embeds can show it through Discord's proxy."""
        hosted = self.hosted[url] = Hosted(url, file)
        return hosted

    def sticker(self, name: str, file: File, *, format_type: int = 1) -> Sticker:
        """A sticker (format 1 PNG, 2 APNG, 3 Lottie, 4 GIF)."""
        sticker = Sticker(self.ids.make(), name, format_type, file)
        self.stickers[sticker.id] = sticker
        return sticker


def _token(user_id: int) -> str:
    """A token of Discord's shape: the user's id, the time of creation, and a secret, each in base64."""
    parts = (str(user_id).encode(), secrets.token_bytes(4), secrets.token_bytes(28))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
