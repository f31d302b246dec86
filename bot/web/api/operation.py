"""What the interface offers: one Operation for each method and path, and the Call that its handler gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec
from aiohttp import web

from indexer.records.api_keys import ApiKey, KeyScope
from indexer.records.messages import Guild

if TYPE_CHECKING:
    from bot.web.api.parts import Parts

Query = TypeVar("Query")
Body = TypeVar("Body")

USUAL_S = 10.0
# A question that wakes the model waits for it: from a slow disk that takes a minute.
WITH_MODEL_S = 120.0

# Refusals that several operations have: a status, and a code of errors.py.
CONFLICT = (HTTPStatus.CONFLICT, "conflict")
BAD_QUESTION = (HTTPStatus.UNPROCESSABLE_ENTITY, "bad_question")

Answer = msgspec.Struct | web.StreamResponse


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The operation has no parameters in its query."""


@dataclass(slots=True)
class Call(Generic[Query, Body]):
    """One request whose key, path, query and body are checked. `ids` are the numbers in its path, by name.

    `charge` takes more tokens of the key's bucket, where only the handler knows what the request costs.
    """

    request: web.Request
    parts: Parts
    key: ApiKey
    query: Query
    body: Body
    charge: Callable[[float], None]
    ids: dict[str, int] = field(default_factory=dict)
    known_guild: Guild | None = None

    @property
    def guild(self) -> Guild:
        """The guild that the path names, which the key may see."""
        assert self.known_guild is not None, "only operations below /guilds/{guild} have one"
        return self.known_guild


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` is below /api/v1; `{guild}` in it is checked before the handler runs.

    `answer` is what the handler returns, or the media type of a response that it makes itself. `query` and `body` are
    structs. `uploads`: types of a body of bytes, which the handler reads. `everything`: only for keys of every
    server. `cost`: tokens of the key's bucket. `longest_s`: the request's deadline in seconds, None: it has none.
    `refusals` are the codes of errors.py that it can answer beside the usual ones, with their statuses.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    handler: Callable[[Call[Any, Any]], Awaitable[Answer]]
    answer: type[msgspec.Struct] | str
    scope: KeyScope = KeyScope.READ
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    uploads: tuple[str, ...] = ()
    everything: bool = False
    status: HTTPStatus = HTTPStatus.OK
    cost: float = 1.0
    longest_s: float | None = USUAL_S
    refusals: tuple[tuple[HTTPStatus, str], ...] = ()
