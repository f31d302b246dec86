"""Discord's rules for the components of a message and of a modal."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from sandbox.checks import fields
from sandbox.errors import Invalid
from sandbox.wire import Json
from sandbox.wire import components as kinds

MOST_COMPONENTS: Final = 40
MOST_TEXT: Final = 4000
"""Characters of all text displays of a message together."""
_MOST_ROWS: Final = 5  # action rows of a message that is not Components V2
_LINK: Final = 5  # button style
_PREMIUM: Final = 6
_IN_CONTAINER: Final = (kinds.ROW, kinds.TEXT, kinds.SECTION, kinds.GALLERY, kinds.SEPARATOR, kinds.FILE)
_ON_TOP: Final = (*_IN_CONTAINER, kinds.CONTAINER)
_IN_LABEL: Final = (
    kinds.TEXT_INPUT, *kinds.SELECTS, kinds.FILE_UPLOAD, kinds.RADIO_GROUP, kinds.CHECKBOX_GROUP, kinds.CHECKBOX,
)  # fmt: skip


def of_message(components: object, *, v2: bool, files: frozenset[str]) -> list[Json]:
    """Checked components with an `id` each. `v2`: the message has flag 1 << 15; `files`: the names that attachment://
    may use.

    Raises Invalid as Discord would.
    """
    found: list[Json] = _own(fields.items(components, "components", 0, MOST_COMPONENTS if v2 else _MOST_ROWS))
    allowed = _ON_TOP if v2 else (kinds.ROW,)
    for i, component in enumerate(found):
        _check(component, f"components.{i}", allowed, files)
    everything = list(walk(found))
    if len(everything) > MOST_COMPONENTS:
        reason = f"The maximum number of components is {MOST_COMPONENTS}; this message has {len(everything)}."
        raise Invalid("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", reason)
    written = sum(len(c["content"]) for c in everything if c["type"] == kinds.TEXT)
    if written > MOST_TEXT:
        reason = f"The total text must be {MOST_TEXT} or fewer in length; this message has {written}."
        raise Invalid("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", reason)
    _unique(everything)
    return found


def of_modal(data: object) -> Json:
    """A checked modal. Raises Invalid as Discord would."""
    modal: Json = _own(fields.thing(data, "data"))
    fields.text(modal.get("custom_id"), "data.custom_id", 1, 100)
    fields.text(modal.get("title"), "data.title", 1, 45)
    rows = fields.items(modal.get("components"), "data.components", 1, 5)
    for i, component in enumerate(rows):
        field = f"data.components.{i}"
        kind = fields.choice(fields.thing(component, field).get("type"), field, (kinds.ROW, kinds.LABEL, kinds.TEXT))
        if kind == kinds.TEXT:
            _text(component, field, frozenset())
        elif kind == kinds.LABEL:
            fields.text(component.get("label"), f"{field}.label", 1, 45)
            fields.optional_text(component.get("description"), f"{field}.description", 1, 100)
            _input(component.get("component"), f"{field}.component", _IN_LABEL)
        else:
            for j, child in enumerate(fields.items(component.get("components"), field, 1, 1)):
                _input(child, f"{field}.components.{j}", (kinds.TEXT_INPUT,))
                fields.text(child.get("label"), f"{field}.components.{j}.label", 1, 45)
    _unique(list(walk(rows)))
    return modal


def _own(request: Any) -> Any:
    """A copy in which no object occurs twice, so that each component gets an id of its own."""
    return json.loads(json.dumps(request))


def walk(components: list[Json]) -> Iterator[Json]:
    """Every component, nested ones too, in reading order."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        for key in ("accessory", "component"):
            if component.get(key):
                yield from walk([component[key]])


def _unique(everything: list[Json]) -> None:
    """Custom ids and given ids must differ. Missing ids are assigned."""
    customs = [c["custom_id"] for c in everything if c.get("custom_id") is not None]
    if len(customs) != len(set(customs)):
        raise Invalid("components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    given = [c["id"] for c in everything if c.get("id")]
    if len(given) != len(set(given)):
        raise Invalid("components", "COMPONENT_ID_DUPLICATED", "Component id cannot be duplicated")
    taken, number = set(given), 0
    for component in everything:
        if not component.get("id"):
            number += 1
            while number in taken:
                number += 1
            component["id"] = number


def _check(component: object, field: str, allowed: tuple[int, ...], files: frozenset[str]) -> None:
    found = fields.thing(component, field)
    kind = found.get("type")
    if kind not in allowed:
        raise Invalid(f"{field}.type", "UNION_TYPE_CHOICES", f"Value of field 'type' must be one of {allowed}.")
    assert isinstance(kind, int)
    _RULES[kind](found, field, files)


def _row(component: Json, field: str, files: frozenset[str]) -> None:
    children = fields.items(component.get("components"), f"{field}.components", 1, 5)
    allowed = (kinds.BUTTON,) if len(children) > 1 else (kinds.BUTTON, *kinds.SELECTS)
    for i, child in enumerate(children):
        _check(child, f"{field}.components.{i}", allowed, files)


def _button(component: Json, field: str, files: frozenset[str]) -> None:
    style = fields.choice(component.get("style"), f"{field}.style", (1, 2, 3, 4, 5, 6))
    label = fields.optional_text(component.get("label"), f"{field}.label", 0, 80)
    if style == _LINK:
        fields.link(component.get("url"), f"{field}.url", 512)
        if component.get("custom_id") is not None:
            raise Invalid(field, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", "A link button has no custom id")
    elif style != _PREMIUM:
        fields.text(component.get("custom_id"), f"{field}.custom_id", 1, 100)
        if component.get("url") is not None:
            raise Invalid(field, "BUTTON_COMPONENT_INVALID_URL", "Only a link button has a url")
    if not label and not component.get("emoji") and style != _PREMIUM:
        raise Invalid(field, "BUTTON_COMPONENT_LABEL_EMOJI_REQUIRED", "A button needs a label or an emoji")


def _select(component: Json, field: str, files: frozenset[str]) -> None:
    fields.text(component.get("custom_id"), f"{field}.custom_id", 1, 100)
    fields.optional_text(component.get("placeholder"), f"{field}.placeholder", 0, 150)
    fields.number(component.get("min_values", 1), f"{field}.min_values", 0, 25)
    fields.number(component.get("max_values", 1), f"{field}.max_values", 1, 25)
    if component["type"] != kinds.STRING_SELECT:
        return
    options = fields.items(component.get("options"), f"{field}.options", 1, 25)
    for i, option in enumerate(options):
        fields.text(option.get("label"), f"{field}.options.{i}.label", 1, 100)
        fields.text(option.get("value"), f"{field}.options.{i}.value", 1, 100)
        fields.optional_text(option.get("description"), f"{field}.options.{i}.description", 0, 100)
    if len({option["value"] for option in options}) != len(options):
        raise Invalid(f"{field}.options", "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "Option values must differ")


def _section(component: Json, field: str, files: frozenset[str]) -> None:
    for i, child in enumerate(fields.items(component.get("components"), f"{field}.components", 1, 3)):
        _check(child, f"{field}.components.{i}", (kinds.TEXT,), files)
    if component.get("accessory") is None:
        raise Invalid(f"{field}.accessory", "BASE_TYPE_REQUIRED", "This field is required")
    _check(component["accessory"], f"{field}.accessory", (kinds.BUTTON, kinds.THUMBNAIL), files)


def _text(component: Json, field: str, files: frozenset[str]) -> None:
    fields.text(component.get("content"), f"{field}.content", 1, MOST_TEXT)


def _media(value: object, field: str, files: frozenset[str], *, own: bool = False) -> None:
    url = fields.link(fields.thing(value, field).get("url"), f"{field}.url", attachment=True)
    if url.startswith("attachment://"):
        if url.removeprefix("attachment://") not in files:
            raise Invalid(f"{field}.url", "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", f"No file for {url}")
    elif own:
        raise Invalid(f"{field}.url", "URL_TYPE_INVALID_SCHEME", "A file component shows an attachment:// only")


def _picture(component: Json, field: str, files: frozenset[str]) -> None:
    _media(component.get("media"), f"{field}.media", files)
    fields.optional_text(component.get("description"), f"{field}.description", 1, 1024)


def _gallery(component: Json, field: str, files: frozenset[str]) -> None:
    for i, item in enumerate(fields.items(component.get("items"), f"{field}.items", 1, 10)):
        _picture(fields.thing(item, f"{field}.items.{i}"), f"{field}.items.{i}", files)


def _file(component: Json, field: str, files: frozenset[str]) -> None:
    _media(component.get("file"), f"{field}.file", files, own=True)


def _separator(component: Json, field: str, files: frozenset[str]) -> None:
    fields.choice(component.get("spacing"), f"{field}.spacing", (None, 1, 2))


def _container(component: Json, field: str, files: frozenset[str]) -> None:
    if component.get("accent_color") is not None:
        fields.number(component["accent_color"], f"{field}.accent_color", 0, 0xFFFFFF)
    for i, child in enumerate(fields.items(component.get("components"), f"{field}.components", 1, MOST_COMPONENTS)):
        _check(child, f"{field}.components.{i}", _IN_CONTAINER, files)


def _input(component: object, field: str, allowed: tuple[int, ...]) -> None:
    found = fields.thing(component, field)
    kind = fields.choice(found.get("type"), f"{field}.type", allowed)
    fields.text(found.get("custom_id"), f"{field}.custom_id", 1, 100)
    if kind == kinds.TEXT_INPUT:
        fields.choice(found.get("style"), f"{field}.style", (1, 2))
        fields.optional_text(found.get("placeholder"), f"{field}.placeholder", 0, 100)
        fields.optional_text(found.get("value"), f"{field}.value", 0, 4000)
    elif kind in kinds.SELECTS:
        _select(found, field, frozenset())


_Rule = Callable[[Json, str, frozenset[str]], None]
_RULES: Final[dict[int, _Rule]] = {
    kinds.ROW: _row, kinds.BUTTON: _button, kinds.SECTION: _section, kinds.TEXT: _text, kinds.THUMBNAIL: _picture,
    kinds.GALLERY: _gallery, kinds.FILE: _file, kinds.SEPARATOR: _separator, kinds.CONTAINER: _container,
    **dict.fromkeys(kinds.SELECTS, _select),
}  # fmt: skip
