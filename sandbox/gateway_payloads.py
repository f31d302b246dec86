"""Parses what clients send over the gateway.
Everything here raises Undecodable for payloads that Discord closes with 4002.
"""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.wire import Json

_BOT = "Bot "


class Undecodable(ValueError):
    """A payload that is not JSON, or does not have the shape of its opcode."""


@dataclass(frozen=True, slots=True)
class Identify:
    token: str
    intents: int
    shard: tuple[int, int]
    large_threshold: int


@dataclass(frozen=True, slots=True)
class Resume:
    token: str
    session_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class MembersWanted:
    """REQUEST_GUILD_MEMBERS. `user_ids`: these; None: those whose name begins with `query` (`limit` 0: all)."""

    guild_id: int
    user_ids: tuple[int, ...] | None
    query: str
    limit: int
    nonce: str | None


def message(text: str | bytes) -> tuple[int, Any]:
    """(opcode, data)."""
    try:
        found = json.loads(text)
        return int(found["op"]), found.get("d")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Undecodable("no JSON object with an opcode") from error


def identify(data: Any) -> Identify:
    found = _object(data)
    shard = found.get("shard") or (0, 1)
    if not isinstance(shard, list | tuple) or len(shard) != 2:
        raise Undecodable("a shard is a number and how many there are")
    return Identify(
        _token(found), _integer(found.get("intents"), 0), (_integer(shard[0]), _integer(shard[1])),
        _integer(found.get("large_threshold"), 50),
    )  # fmt: skip


def resume(data: Any) -> Resume:
    found = _object(data)
    return Resume(_token(found), str(found.get("session_id")), _integer(found.get("seq"), 0))


def members_wanted(data: Any) -> MembersWanted:
    found = _object(data)
    ids = found.get("user_ids")
    if ids is not None:
        ids = tuple(_integer(user_id) for user_id in (ids if isinstance(ids, list) else [ids]))
    nonce = found.get("nonce")
    return MembersWanted(
        _integer(found.get("guild_id")), ids, str(found.get("query") or ""), _integer(found.get("limit"), 0),
        None if nonce is None else str(nonce),
    )  # fmt: skip


def _object(data: Any) -> Json:
    if not isinstance(data, dict):
        raise Undecodable("the data is no object")
    return data


def _token(found: Json) -> str:
    """The token. Discord also accepts it after "Bot ", as in the Authorization header."""
    return str(found.get("token")).removeprefix(_BOT)


def _integer(value: Any, default: int | None = None) -> int:
    if value is None and default is not None:
        return default
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise Undecodable(f"{value!r} is no number") from error
