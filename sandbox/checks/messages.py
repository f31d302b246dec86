"""Discord's rules for the body of a message, as created, answered or edited."""

from dataclasses import dataclass
from typing import Any, Final

from sandbox import mentions
from sandbox.checks import components, fields
from sandbox.errors import Invalid, empty_message
from sandbox.wire import Json
from sandbox.world import Embed, File, Message, MessageFlag

_MOST_EMBED_TEXT: Final = 6000
_SETTABLE: Final = (
    MessageFlag.SUPPRESS_EMBEDS | MessageFlag.EPHEMERAL | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.COMPONENTS_V2
)
_V2_EXCLUSIVE: Final = ("content", "embeds", "poll", "sticker_ids")


@dataclass(frozen=True, slots=True)
class Body:
    """A checked message. Fields that the request did not name are None.

    `files` are new uploads; `kept` are the attachments that stay (None: the request says nothing about them).
    """

    content: str | None
    embeds: list[Embed | dict[str, Any]] | None
    components: list[Json] | None
    flags: MessageFlag
    files: list[File]
    kept: frozenset[int] | None
    allowed_mentions: dict[str, Any] | None
    nonce: str | int | None

    def notifies(self) -> dict[str, Any]:
        """The members and roles that its texts notify, text displays included."""
        shown = [c["content"] for c in components.walk(self.components or []) if "content" in c]
        return mentions.find("\n".join([self.content or "", *shown]), self.allowed_mentions)


def check(request: Json, uploads: dict[int, File], *, most_content: int = 2000, old: Message | None = None) -> Body:
    """Checks a message's body as Discord would. `uploads`: files[n] by n; `old`: the message that is edited.

    Raises Invalid, or ApiError 50006 for a message with no content of any kind.
    """
    flags = MessageFlag(fields.number(request.get("flags") or 0, "flags", 0, (1 << 31) - 1)) & _SETTABLE
    was_v2 = old is not None and bool(old.flags & MessageFlag.COMPONENTS_V2)
    v2 = bool(flags & MessageFlag.COMPONENTS_V2) or was_v2
    content = fields.optional_text(request.get("content"), "content", 0, most_content)
    if v2:
        _no_legacy(request, None if was_v2 else old)
    mentions.check(request.get("allowed_mentions"))
    files, kept = _files(request, uploads, old)
    stay = [a.file.name for a in old.attachments if kept is None or a.id in kept] if old else []
    names = frozenset([*(file.name for file in files), *stay])
    shown = None
    if request.get("components") is not None:
        shown = components.of_message(request["components"], v2=v2, files=names)
    embeds = _embeds(request["embeds"] or []) if "embeds" in request else None
    body = Body(
        content=content if content is not None else ("" if "content" in request else None),
        embeds=embeds, components=shown, flags=flags, files=files, kept=kept,
        allowed_mentions=request.get("allowed_mentions"), nonce=request.get("nonce"),
    )  # fmt: skip
    if old is None and not (content or shown or embeds or files or request.get("sticker_ids") or request.get("poll")):
        raise empty_message()
    return body


def _no_legacy(request: Json, old: Message | None) -> None:
    """Raise Invalid where text or embeds would be combined with Components V2. `old`: a message that is not V2 yet."""
    code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
    for key in _V2_EXCLUSIVE:
        if request.get(key):
            reason = f"The {key!r} field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            raise Invalid(key, code, reason)
    if old is not None and (_left(old.content, request, "content") or _left(old.embeds, request, "embeds")):
        raise Invalid("flags", code, "Set content and embeds to nothing to turn a message into Components V2")


def _left(value: object, request: Json, key: str) -> bool:
    """Whether a field of the old message would remain."""
    return bool(value) and key not in request


def _embeds(value: object) -> list[Embed | dict[str, Any]]:
    found = fields.items(value, "embeds", 0, 10)
    total = 0
    for i, embed in enumerate(found):
        field = f"embeds.{i}"
        fields.thing(embed, field)
        for key, most in (("title", 256), ("description", 4096)):
            total += len(fields.optional_text(embed.get(key), f"{field}.{key}", 0, most) or "")
        for key in ("image", "thumbnail"):
            if embed.get(key):
                fields.link(embed[key].get("url"), f"{field}.{key}.url", attachment=True)
        for j, shown in enumerate(fields.items(embed.get("fields") or [], f"{field}.fields", 0, 25)):
            total += len(fields.text(shown.get("name"), f"{field}.fields.{j}.name", 1, 256))
            total += len(fields.text(shown.get("value"), f"{field}.fields.{j}.value", 1, 1024))
        if embed.get("footer"):
            total += len(fields.text(embed["footer"].get("text"), f"{field}.footer.text", 1, 2048))
    if total > _MOST_EMBED_TEXT:
        raise Invalid("embeds", "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {_MOST_EMBED_TEXT}")
    return found


def _files(request: Json, uploads: dict[int, File], old: Message | None) -> tuple[list[File], frozenset[int] | None]:
    """The new files with their descriptions, and the ids of old files that remain (None: all)."""
    listed = request.get("attachments")
    if listed is None:
        return list(uploads.values()), None
    present = {a.id: a for a in old.attachments} if old else {}
    files: list[File] = []
    kept: set[int] = set()
    for i, entry in enumerate(fields.items(listed, "attachments", 0, 10)):
        number = int(fields.thing(entry, f"attachments.{i}").get("id", i))
        description = fields.optional_text(entry.get("description"), f"attachments.{i}.description", 0, 1024)
        if number in uploads:
            file = uploads[number]
            spoiler = bool(entry.get("is_spoiler"))
            files.append(
                File.of(entry.get("filename") or file.name, file.data, description=description, spoiler=spoiler)
            )
        elif number in present:
            kept.add(number)
        else:
            raise Invalid(f"attachments.{i}.id", "ATTACHMENT_NOT_FOUND", f"No file or attachment has the id {number}")
    return files, frozenset(kept)


def apply(body: Body, message: Message) -> None:
    """Make an edit's changes to `message`. The caller sends the event."""
    world = message.channel.guild.world
    if body.content is not None:
        message.content = body.content
    if body.embeds is not None:
        message.embeds = body.embeds
    if body.components is not None:
        message.components = body.components
    message.flags = message.flags & ~MessageFlag.LOADING | (body.flags & ~MessageFlag.EPHEMERAL)
    if body.kept is not None:
        for attachment in message.attachments:
            if attachment.id not in body.kept:
                world.attachments.pop(attachment.id, None)
        message.attachments = [a for a in message.attachments if a.id in body.kept]
    if body.files:
        message.attachments += world.attach(message.channel.id, body.files, ephemeral=message.ephemeral)
    settle(message)
    message.mentions = body.notifies() or message.mentions


def settle(message: Message) -> None:
    """Mark the files that embeds or components show: they are left out of the attachments."""
    shown = str([message.embeds, message.components]) if message.embeds or message.components else ""
    for attachment in message.attachments:
        attachment.inside = f"attachment://{attachment.file.name}" in shown
