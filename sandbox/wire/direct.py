"""Direct messages in Discord's JSON."""

from sandbox.snowflakes import iso, ms
from sandbox.wire import Json
from sandbox.wire.guilds import user
from sandbox.world import User
from sandbox.world.direct import DirectChannel, DirectMessage

_DM = 1  # channel type


def direct_channel(subject: DirectChannel) -> Json:
    """A conversation, as its maker gets it."""
    last = subject.messages[-1].id if subject.messages else None
    return {
        "id": str(subject.id),
        "type": _DM,
        "flags": 0,
        "last_message_id": None if last is None else str(last),
        "recipients": [user(subject.recipient)],
    }


def direct_message(subject: DirectMessage, channel: DirectChannel, author: User) -> Json:
    found: Json = {
        "id": str(subject.id),
        "channel_id": str(channel.id),
        "author": user(author),
        "application_id": str(author.id),
        "type": 0,
        "content": subject.content,
        "mentions": [],
        "mention_roles": [],
        "mention_everyone": False,
        "attachments": [],
        "embeds": [],
        "components": [],
        "timestamp": iso(ms(subject.id)),
        "edited_timestamp": None,
        "flags": 0,
        "pinned": False,
        "tts": False,
    }
    return found if subject.nonce is None else found | {"nonce": subject.nonce}
