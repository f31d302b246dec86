"""History, and the messages a bot writes."""

from typing import TYPE_CHECKING, Any, Final

from sandbox import errors
from sandbox.checks import fields
from sandbox.checks import messages as checks
from sandbox.errors import Invalid
from sandbox.permissions import Permission
from sandbox.rest import direct
from sandbox.rest.call import NOTHING, Call, Route, channel_of, need, snowflake
from sandbox.snowflakes import iso, ms
from sandbox.wire import Json
from sandbox.wire import messages as wire
from sandbox.world import Channel, ChannelKind, Message, MessageFlag, MessageKind, Thread
from sandbox.world.events import MessageEdited

if TYPE_CHECKING:
    from sandbox.rest.api import Api

_BULK_AGE_MS: Final = 14 * 24 * 3600 * 1000
_SILENT: Final = (ChannelKind.CATEGORY, ChannelKind.FORUM, ChannelKind.MEDIA)


def _shown(api: "Api", message: Message) -> Json:
    app = api.world.application
    return wire.message(message, api.links, readable=wire.readable(message, app, granted=app.message_content))


async def history(api: "Api", call: Call) -> list[Json]:
    """A page, newest first. Without READ_MESSAGE_HISTORY it is empty, not forbidden."""
    channel = channel_of(api.world, call)
    limit = call.integer("limit", 50, 1, 100)
    keys = {key: call.snowflake(key) for key in ("before", "after", "around")}
    if sum(value is not None for value in keys.values()) > 1:
        raise Invalid("", "BASE_TYPE_EXCLUSIVE", "before, after and around exclude each other.")
    if channel.kind in _SILENT:
        raise errors.silent_channel()
    if not channel.read_by(channel.guild.me):
        return []
    return [_shown(api, message) for message in channel.page(limit, **keys)]


def _pinned(channel: Channel) -> list[Message]:
    """The pinned messages, last pinned first; none without READ_MESSAGE_HISTORY."""
    if not channel.read_by(channel.guild.me):
        return []
    return sorted((m for m in channel.messages() if m.pinned), key=lambda m: (m.pinned_ms or 0, m.id), reverse=True)


async def pins(api: "Api", call: Call) -> Json:
    """A page of pinned messages, by the time they were pinned."""
    limit = call.integer("limit", 50, 1, 50)
    before = call.time_ms("before")
    found = [m for m in _pinned(channel_of(api.world, call)) if before is None or (m.pinned_ms or 0) < before]
    items = [{"pinned_at": iso(m.pinned_ms or 0), "message": _shown(api, m)} for m in found[:limit]]
    return {"items": items, "has_more": len(found) > limit}


async def all_pins(api: "Api", call: Call) -> list[Json]:
    """The route of older libraries: the newest fifty at once."""
    return [_shown(api, message) for message in _pinned(channel_of(api.world, call))[:50]]


def _message(api: "Api", call: Call) -> Message:
    channel = channel_of(api.world, call)
    found = channel.message(call.id("message_id"))
    if found is None:
        raise errors.unknown_message()
    return found


async def get(api: "Api", call: Call) -> Json:
    message = _message(api, call)
    if not message.channel.read_by(message.channel.guild.me):
        raise errors.missing_access()
    return _shown(api, message)


def _may_send(channel: Channel) -> None:
    if channel.kind in _SILENT:
        raise errors.silent_channel()
    inside = isinstance(channel, Thread)
    need(channel, Permission.SEND_MESSAGES_IN_THREADS if inside else Permission.SEND_MESSAGES)


async def create(api: "Api", call: Call) -> Json:
    """The bot posts, in a guild or to one user."""
    if (conversation := direct.find(api.world, call.id("channel_id"))) is not None:
        return direct.send(api.world, conversation, call)
    channel = channel_of(api.world, call)
    _may_send(channel)
    request = call.json()
    body = checks.check(request, call.uploads)
    if request.get("enforce_nonce") and (sent := _sent_before(api, channel, body.nonce)) is not None:
        return _shown(api, sent)
    if body.files:
        need(channel, Permission.ATTACH_FILES)
    message = Message(
        id=api.world.ids.make(), channel=channel, author=api.world.bot, flags=body.flags & ~MessageFlag.EPHEMERAL,
        nonce=body.nonce,
    )  # fmt: skip
    if (reference := request.get("message_reference")) is not None:
        _refer(channel, message, reference)
    checks.apply(body, message)
    return _shown(api, channel.add(message))


def _sent_before(api: "Api", channel: Channel, nonce: str | int | None) -> Message | None:
    """The bot's message with this nonce, of the last minutes."""
    since_ms = api.world.clock.now_ms() - direct.NONCE_MS
    own = (found for found in channel.page(100) if found.author.id == api.world.bot.id and ms(found.id) > since_ms)
    return next((found for found in own if nonce is not None and found.nonce == nonce), None)


def _refer(channel: Channel, message: Message, reference: Json) -> None:
    target = channel.message(
        snowflake(str(fields.thing(reference, "message_reference").get("message_id")), "message_id")
    )
    if target is not None:
        need(channel, Permission.READ_MESSAGE_HISTORY)
        message.reply_to, message.kind = target, MessageKind.REPLY
    elif reference.get("fail_if_not_exists", True):
        raise Invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")


async def edit(api: "Api", call: Call) -> Json:
    """The bot edits a message of its own."""
    message = _message(api, call)
    if message.author.id != api.world.bot.id:
        raise errors.not_the_author()
    checks.apply(checks.check(call.json(), call.uploads, old=message), message)
    message.edited_ms = api.world.clock.now_ms()
    message.channel.touched()
    api.world.tell(MessageEdited(message))
    return _shown(api, message)


async def delete(api: "Api", call: Call) -> Any:
    message = _message(api, call)
    if message.author.id != api.world.bot.id:
        need(message.channel, Permission.MANAGE_MESSAGES)
    message.delete()
    return NOTHING


async def bulk_delete(api: "Api", call: Call) -> Any:
    channel = channel_of(api.world, call)
    need(channel, Permission.MANAGE_MESSAGES)
    listed = fields.items(call.json().get("messages"), "messages", 2, 100)
    ids = [snowflake(str(found), "messages") for found in listed]
    if any(ms(found) < api.world.clock.now_ms() - _BULK_AGE_MS for found in ids):
        raise errors.ApiError(400, 50034, "You can only bulk delete messages that are under 14 days old.")
    channel.remove(ids, bulk=True)
    return NOTHING


async def refresh_urls(api: "Api", call: Call) -> Json:
    """New signatures for links of ours (undocumented on Discord). Other links are returned unchanged."""
    refreshed = []
    for url in fields.items(call.json().get("attachment_urls"), "attachment_urls", 1, 50):
        attachment_id = api.links.attachment_id(str(url))
        attachment = None if attachment_id is None else api.world.attachments.get(attachment_id)
        refreshed.append({"original": url, "refreshed": api.links.signed(attachment) if attachment else url})
    return {"refreshed_urls": refreshed}


ROUTES: Final = (
    Route("POST", "/attachments/refresh-urls", refresh_urls),
    Route("POST", "/channels/{channel_id}/messages/bulk-delete", bulk_delete),
    Route("GET", "/channels/{channel_id}/messages", history),
    Route("GET", "/channels/{channel_id}/messages/pins", pins),
    Route("GET", "/channels/{channel_id}/pins", all_pins),
    Route("POST", "/channels/{channel_id}/messages", create),
    Route("GET", "/channels/{channel_id}/messages/{message_id}", get),
    Route("PATCH", "/channels/{channel_id}/messages/{message_id}", edit),
    Route("DELETE", "/channels/{channel_id}/messages/{message_id}", delete),
)
