"""`cache-status` and `cache-clear`: what is kept so that work is not done twice."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from bot.control.handler import Handler, Tell, Values
from indexer.caches import Caches
from indexer.errors import TellPerson


class Store(Protocol):
    """What has caches: the running service, and a data folder that a command has opened."""

    @property
    def caches(self) -> Caches: ...


def caches(store: Store) -> dict[str, Handler]:
    """The operations on this store's caches."""
    return {"cache-status": partial(status, store), "cache-clear": partial(_clear, store)}


async def status(store: Store, values: Values, tell: Tell) -> Values:
    """→ `caches`, as docs/schemas/cache.json has them."""
    return {"caches": [cache.as_dict() for cache in await store.caches.status()]}


async def _clear(store: Store, values: Values, tell: Tell) -> Values:
    """`older_than_s` or null → `cleared`: how many values of each cache went. Raises TellPerson, RetryLater."""
    older_than_s: Any = values.get("older_than_s")
    if older_than_s is not None and (
        isinstance(older_than_s, bool) or not isinstance(older_than_s, int | float) or not 0 <= older_than_s < 1e12
    ):
        raise TellPerson("cli-needs", name="older_than_s")
    return {"cleared": await store.caches.clear(older_than_s)}
