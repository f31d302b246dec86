"""Interactions in Discord's JSON."""

from sandbox.interactions import Answer, Interaction, Kind
from sandbox.links import Links
from sandbox.wire import Json
from sandbox.wire.guilds import channel, member
from sandbox.wire.messages import message
from sandbox.world import Message, MessageFlag

ATTACHMENT_LIMIT = 10 * 1024 * 1024
"""Bytes that may be sent back in one file, in a guild without boosts."""


def interaction(subject: Interaction, links: Links) -> Json:
    """The payload of INTERACTION_CREATE."""
    guild = subject.channel.guild
    where = subject.channel
    found: Json = {
        "id": str(subject.id),
        "application_id": str(guild.world.application.id),
        "type": int(subject.kind),
        "token": subject.token,
        "version": 1,
        "guild_id": str(guild.id),
        "guild": {"id": str(guild.id), "locale": guild.locale, "features": []},
        "guild_locale": guild.locale,
        "locale": guild.locale,
        "channel_id": str(where.id),
        "channel": channel(where, subject.member),
        "member": member(subject.member) | {"permissions": str(int(where.allows(subject.member)))},
        "app_permissions": str(int(where.allows(guild.me))),
        "data": subject.data,
        "entitlements": [],
        "entitlement_sku_ids": [],
        "authorizing_integration_owners": {"0": str(guild.id)},
        "context": 0,
        "attachment_size_limit": ATTACHMENT_LIMIT,
    }
    if subject.source is not None:
        found["message"] = message(subject.source, links)
    return found


def callback_response(subject: Interaction, links: Links) -> Json:
    """The answer to a callback with `with_response`."""
    about: Json = {"id": str(subject.id), "type": int(subject.kind)}
    found: Json = {"interaction": about}
    made = subject.original
    if made is not None and subject.answer in (Answer.MESSAGE, Answer.DEFERRED_MESSAGE, Answer.UPDATE):
        about |= {
            "response_message_id": str(made.id),
            "response_message_loading": bool(made.flags & MessageFlag.LOADING),
            "response_message_ephemeral": made.ephemeral,
        }
        if subject.answer is not Answer.DEFERRED_MESSAGE:
            found["resource"] = {"type": int(subject.answer), "message": message(made, links)}
    if subject.kind is Kind.COMMAND:
        about |= {"channel_id": str(subject.channel.id), "guild_id": str(subject.channel.guild.id)}
    return found


def resolved_message(subject: Message, links: Links) -> Json:
    """The target of a message command: complete, even without the MESSAGE_CONTENT intent."""
    return message(subject, links)
