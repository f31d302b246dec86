"""The checks that every kind of request shares."""

from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import Invalid


def text(value: object, field: str, low: int, high: int) -> str:
    """`value` as a string of `low` to `high` characters. Raises Invalid."""
    if not isinstance(value, str):
        raise Invalid(
            field, "BASE_TYPE_REQUIRED" if value is None else "STRING_TYPE_CONVERT", "This field is required."
        )
    if len(value) > high:
        raise Invalid(field, "BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")
    if len(value.strip() if low else value) < low:
        raise Invalid(field, "BASE_TYPE_MIN_LENGTH", f"Must be {low} or more in length.")
    return value


def optional_text(value: object, field: str, low: int, high: int) -> str | None:
    """Like `text`, but None stays None."""
    return None if value is None else text(value, field, low, high)


def number(value: object, field: str, low: int, high: int) -> int:
    """`value` as an int from `low` to `high`. Raises Invalid."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(field, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
    if value > high:
        raise Invalid(field, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {high}.")
    if value < low:
        raise Invalid(field, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {low}.")
    return value


def items(value: object, field: str, low: int, high: int) -> list[Any]:
    """`value` as a list of `low` to `high` items. Raises Invalid."""
    if not isinstance(value, list):
        raise Invalid(field, "BASE_TYPE_REQUIRED" if value is None else "LIST_TYPE_CONVERT", "This field is required.")
    if not low <= len(value) <= high:
        raise Invalid(field, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
    return value


def thing(value: object, field: str) -> dict[str, Any]:
    """`value` as a JSON object. Raises Invalid."""
    if not isinstance(value, dict):
        raise Invalid(field, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType.")
    return value


def link(value: object, field: str, high: int = 2048, *, attachment: bool = False) -> str:
    """`value` as an http(s) address (with `attachment`: also attachment://name). Raises Invalid."""
    found = text(value, field, 1, high)
    scheme = urlsplit(found).scheme
    if scheme not in ("http", "https", *(["attachment"] if attachment else [])):
        raise Invalid(field, "URL_TYPE_INVALID_SCHEME", f'Scheme "{scheme}" is not one of (http, https).')
    return found


def choice(value: object, field: str, allowed: tuple[Any, ...]) -> Any:
    """`value`, which must be one of `allowed`. Raises Invalid."""
    if isinstance(value, bool) or value not in allowed:  # True is 1 to Python, but not to Discord
        raise Invalid(field, "BASE_TYPE_CHOICES", f"Value must be one of {allowed}.")
    return value


def unique_choices(value: object, field: str, allowed: tuple[Any, ...], *, least: int = 0) -> None:
    """`value` as a list of at least `least` different values of `allowed`, or None. Raises Invalid."""
    if value is None:
        return
    found = items(value, field, least, len(allowed))
    for i, entry in enumerate(found):
        choice(entry, f"{field}.{i}", allowed)
    if len(set(found)) != len(found):
        raise Invalid(field, "SET_TYPE_CONTAINS_DUPLICATES", "The items of this list must be unique.")


def optional_flag(value: object, field: str) -> None:
    """`value` as true, false or None. Raises Invalid."""
    if value is not None and not isinstance(value, bool):
        raise Invalid(field, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
