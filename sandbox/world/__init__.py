"""The sandbox's world: guilds, channels, members and messages in memory, and a builder for them."""

from sandbox.world.channels import Channel, ChannelKind, Thread
from sandbox.world.files import File
from sandbox.world.guilds import Guild, Member, Role, User
from sandbox.world.messages import Attachment, Embed, Hosted, Message, MessageFlag, MessageKind, Sticker
from sandbox.world.world import Application, World

__all__ = [
    "Application",
    "Attachment",
    "Channel",
    "ChannelKind",
    "Embed",
    "File",
    "Guild",
    "Hosted",
    "Member",
    "Message",
    "MessageFlag",
    "MessageKind",
    "Role",
    "Sticker",
    "Thread",
    "User",
    "World",
]
