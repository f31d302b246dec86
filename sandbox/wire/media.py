"""Attachments, embeds and other pictures in Discord's JSON."""

import hashlib
from typing import Any, Final

from sandbox.links import Links
from sandbox.snowflakes import ms
from sandbox.wire import Json
from sandbox.world import Attachment, Embed, Hosted, Message

_OWN_FILE: Final = "attachment://"


def attachment(subject: Attachment, links: Links) -> Json:
    """An attachment with links signed now."""
    file = subject.file
    found: Json = {
        "id": str(subject.id),
        "filename": file.name,
        "size": file.size,
        "url": links.signed(subject),
        "proxy_url": links.proxied(subject),
        "flags": file.flags,
    }
    if file.width is not None and file.height is not None:
        found |= {"width": file.width, "height": file.height}
    if file.content_type is not None:
        found["content_type"] = file.content_type
    if file.description is not None:
        found["description"] = file.description
    if subject.ephemeral:
        found["ephemeral"] = True
    return found


def named(message: Message, name: str) -> Attachment | None:
    """The message's own file of that name."""
    return next((a for a in message.attachments if a.file.name == name), None)


def media(url: str, message: Message, links: Links) -> Json:
    """A component's media, resolved:

    An own file (`attachment://name`), a link to a file here, or an address outside.
    """
    subject = find(url, message, links)
    if subject is None or not (url.startswith(_OWN_FILE) or links.resolves(url, subject, _sent_ms(message))):
        number = int.from_bytes(hashlib.sha256(url.encode()).digest()[:7])
        return {"id": str(number), "url": url, "proxy_url": links.external(url)}
    found: Json = {
        "id": str(subject.id),
        "attachment_id": str(subject.id),
        "url": links.signed(subject),
        "proxy_url": links.proxied(subject),
        "width": subject.file.width,
        "height": subject.file.height,
        "content_type": subject.file.content_type,
    }
    return found


def _sent_ms(message: Message) -> int:
    """The time when its components were sent.
    Discord checks their links once then, and later signs them again each time.
    """
    return max(ms(message.id), message.edited_ms or 0)


def find(url: str, message: Message, links: Links) -> Attachment | None:
    """The attachment that an address names, if it is one of ours and still exists."""
    if url.startswith(_OWN_FILE):
        return named(message, url.removeprefix(_OWN_FILE))
    attachment_id = links.attachment_id(url)
    return None if attachment_id is None else message.channel.guild.world.attachments.get(attachment_id)


def embed(subject: Embed | dict[str, Any], message: Message, links: Links) -> Json:
    """A link preview of the world, or what a bot sent as a rich embed, with its pictures resolved."""
    if isinstance(subject, dict):
        found = {key: value for key, value in subject.items() if value is not None} | {"type": "rich"}
        for key in ("image", "thumbnail"):
            if key in found:
                found[key] = _picture(found[key]["url"], message, links)
        for shown in found.get("fields", ()):
            shown.setdefault("inline", False)
        return found
    found = {"type": subject.kind}
    for key, text in (("title", subject.title), ("description", subject.description), ("url", subject.url)):
        if text:
            found[key] = text
    for key, picture in (("image", subject.image), ("thumbnail", subject.thumbnail), ("video", subject.video)):
        if isinstance(picture, Hosted):
            found[key] = _hosted(picture, links)
        elif picture is not None:
            found[key] = _picture(f"{_OWN_FILE}{picture}", message, links)
    return found


def _hosted(subject: Hosted, links: Links) -> Json:
    file = subject.file
    found: Json = {"url": subject.url, "proxy_url": links.external(subject.url), "flags": file.flags}
    if file.width is not None and file.height is not None:
        found |= {"width": file.width, "height": file.height}
    if file.content_type is not None:
        found["content_type"] = file.content_type
    return found


def _picture(url: str, message: Message, links: Links) -> Json:
    subject = find(url, message, links)
    if subject is None:
        hosted = message.channel.guild.world.hosted.get(url)
        return _hosted(hosted, links) if hosted else {"url": url}
    found: Json = {"url": links.signed(subject), "proxy_url": links.proxied(subject)}
    if subject.file.width is not None and subject.file.height is not None:
        found |= {"width": subject.file.width, "height": subject.file.height}
    if subject.file.content_type is not None:
        found["content_type"] = subject.file.content_type
    return found
