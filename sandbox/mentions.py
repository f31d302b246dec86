"""Whom a text notifies, under Discord's `allowed_mentions`."""

import re
from typing import Any, Final

from sandbox.errors import Invalid

_USER: Final = re.compile(r"<@!?(\d+)>")
_ROLE: Final = re.compile(r"<@&(\d+)>")
_PARSED: Final = ("users", "roles", "everyone")
_MOST: Final = 100


def find(text: str, allowed: dict[str, Any] | None = None) -> dict[str, Any]:
    """The ids under "users" and "roles" and the bool under "everyone" that `text` notifies.

    `allowed` as in a request (None: everything that is written).
    """
    if "@" not in text:
        return {}
    users = list(dict.fromkeys(int(found) for found in _USER.findall(text)))
    roles = list(dict.fromkeys(int(found) for found in _ROLE.findall(text)))
    everyone = "@everyone" in text or "@here" in text
    if allowed is not None:
        parse = allowed.get("parse") or []
        listed = {key: {int(found) for found in allowed.get(key) or []} for key in ("users", "roles")}
        users = [found for found in users if "users" in parse or found in listed["users"]]
        roles = [found for found in roles if "roles" in parse or found in listed["roles"]]
        everyone = everyone and "everyone" in parse
    return {"users": users, "roles": roles, "everyone": everyone}


def check(allowed: object) -> None:
    """Raise Invalid where Discord refuses an `allowed_mentions`."""
    if allowed is None:
        return
    if not isinstance(allowed, dict):
        raise Invalid("allowed_mentions", "BASE_TYPE_BAD_TYPE", "Only dictionaries may be used in a DictType")
    parse = allowed.get("parse") or []
    for i, found in enumerate(parse):
        if found not in _PARSED:
            raise Invalid(f"allowed_mentions.parse.{i}", "BASE_TYPE_CHOICES", f"Value must be one of {set(_PARSED)}.")
    for key in ("users", "roles"):
        listed = allowed.get(key) or []
        if len(listed) > _MOST:
            raise Invalid(f"allowed_mentions.{key}", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")
        if listed and key in parse:
            text = f'parse:["{key}"] and {key}: [ids...] are mutually exclusive.'
            raise Invalid("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", text)
