"""Components in the shape of Discord's answers: every default filled in, every picture resolved."""

from collections.abc import Callable
from typing import Final

from sandbox.links import Links
from sandbox.wire import Json
from sandbox.wire.media import media, named
from sandbox.world import Message

ROW: Final = 1
BUTTON: Final = 2
STRING_SELECT: Final = 3
TEXT_INPUT: Final = 4
SELECTS: Final = (3, 5, 6, 7, 8)
SECTION: Final = 9
TEXT: Final = 10
THUMBNAIL: Final = 11
GALLERY: Final = 12
FILE: Final = 13
SEPARATOR: Final = 14
CONTAINER: Final = 17
LABEL: Final = 18
FILE_UPLOAD: Final = 19
RADIO_GROUP: Final = 21
CHECKBOX_GROUP: Final = 22
CHECKBOX: Final = 23


def component(subject: Json, message: Message, links: Links) -> Json:
    """One component of a message, with the components inside it."""
    base: Json = {"type": subject["type"], "id": subject.get("id", 0)}
    return base | _SHAPES[subject["type"]](subject, message, links)


def _row(subject: Json, message: Message, links: Links) -> Json:
    return {"components": [component(child, message, links) for child in subject["components"]]}


def _button(subject: Json, message: Message, links: Links) -> Json:
    kept = {key: subject[key] for key in ("custom_id", "label", "url", "sku_id") if subject.get(key) is not None}
    if subject.get("emoji"):
        kept["emoji"] = {key: value for key, value in subject["emoji"].items() if value is not None}
    if subject.get("disabled"):
        kept["disabled"] = True
    return {"style": subject["style"]} | kept


def _select(subject: Json, message: Message, links: Links) -> Json:
    found: Json = {
        "custom_id": subject["custom_id"],
        "min_values": subject.get("min_values", 1),
        "max_values": subject.get("max_values", 1),
    }
    for key in ("placeholder", "channel_types", "default_values"):
        if subject.get(key):
            found[key] = subject[key]
    if subject.get("disabled"):
        found["disabled"] = True
    if subject["type"] == STRING_SELECT:
        found["options"] = [
            {key: value for key, value in option.items() if value not in (None, "")} for option in subject["options"]
        ]
    return found


def _section(subject: Json, message: Message, links: Links) -> Json:
    return _row(subject, message, links) | {"accessory": component(subject["accessory"], message, links)}


def _text(subject: Json, message: Message, links: Links) -> Json:
    return {"content": subject["content"]}


def _picture(subject: Json, message: Message, links: Links) -> Json:
    return {
        "media": media(subject["media"]["url"], message, links),
        "description": subject.get("description"),
        "spoiler": bool(subject.get("spoiler")),
    }


def _gallery(subject: Json, message: Message, links: Links) -> Json:
    return {"items": [_picture(item, message, links) for item in subject["items"]]}


def _file(subject: Json, message: Message, links: Links) -> Json:
    url: str = subject["file"]["url"]
    attached = named(message, url.removeprefix("attachment://"))
    return {
        "file": media(url, message, links),
        "name": attached.file.name if attached else None,
        "size": attached.file.size if attached else None,
        "spoiler": bool(subject.get("spoiler")),
    }


def _separator(subject: Json, message: Message, links: Links) -> Json:
    divider = subject.get("divider")
    return {"spacing": subject.get("spacing") or 1, "divider": True if divider is None else divider}


def _container(subject: Json, message: Message, links: Links) -> Json:
    return _row(subject, message, links) | {
        "accent_color": subject.get("accent_color"),
        "spoiler": bool(subject.get("spoiler")),
    }


_Shape = Callable[[Json, Message, Links], Json]
_SHAPES: Final[dict[int, _Shape]] = {
    ROW: _row, BUTTON: _button, SECTION: _section, TEXT: _text, THUMBNAIL: _picture, GALLERY: _gallery, FILE: _file,
    SEPARATOR: _separator, CONTAINER: _container, **dict.fromkeys(SELECTS, _select),
}  # fmt: skip
