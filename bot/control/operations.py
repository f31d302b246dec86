"""Operations of upkeep and the status: done by the running bot, or by the command itself where none runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

from bot.control.handler import Handler, Tell, Values
from indexer.backup.daily import DailyBackup
from indexer.encode.cluster_encoder import ClusterEncoder
from indexer.encode.encoder import ModelEncoder
from indexer.encode.model_on_demand import NOT_CHOSEN
from indexer.errors import Reason, RetryLater, TellPerson
from indexer.records.ids import EVERYWHERE, GuildId, UserId
from indexer.service import Service
from indexer.upkeep import Upkeep

HERE_ONLY = "kept here, and not in fleet.storage yet, which does not answer: it is repeated until it does"


class Store(Protocol):
    """What upkeep needs: the running service has it, and a command can open it."""

    @property
    def upkeep(self) -> Upkeep: ...

    @property
    def backups(self) -> DailyBackup: ...

    async def forget_user(self, user_id: UserId, where: GuildId) -> int | None: ...

    async def made_safe(self) -> bool: ...


def upkeep(store: Store) -> dict[str, Handler]:
    """`forget`, `retry` and `compact` on this store. One rewrites the files at a time; the others wait for it."""
    turn = asyncio.Lock()
    return {
        "forget": partial(_forget, store, turn),
        "retry": partial(_retry, store),
        "compact": partial(_compact, store, turn),
    }


async def _forget(store: Store, turn: asyncio.Lock, values: Values, tell: Tell) -> Values:
    """`user`, `guild` or null → `messages` deleted; `rewritten`: no byte of them is left in the files; `backups`: how
    many daily backups went for it, null where they stay because no new one could be made.

    `messages` is null where the database is busy: the bot has written the wish down and repeats it until it is done.
    """
    user_id, guild_id = UserId(_required_id(values, "user")), optional_id(values, "guild")
    where = EVERYWHERE if guild_id is None else GuildId(guild_id)
    gone = await store.forget_user(user_id, where)
    await tell_safety(store.made_safe(), tell)
    if gone is None:
        return {"messages": None, "rewritten": False, "backups": 0}
    tell(f"{gone:,} messages are gone from every answer; now the files are written anew")
    rewritten = await _rewrite(store, turn, tell)
    return {"messages": gone, "rewritten": rewritten, "backups": await _renew_backups(store, tell)}


async def wants_cluster(service: Service, values: Values, tell: Tell) -> bool:
    """Whether the job is to use the cluster (`fleet`). Raises TellPerson where that cannot be reached: what to do."""
    if values.get("fleet") is not True:
        return False
    tell(f"the bot joins the cluster at {service.settings.ray.address}")
    async with service.cluster_files.joined():
        return True


async def tell_safety(made_safe: Awaitable[bool], tell: Tell) -> None:
    """Says so where what was just promised would be lost with this machine, although a storage was to keep it."""
    if not await made_safe:
        tell(HERE_ONLY)


async def _retry(store: Store, values: Values, tell: Tell) -> Values:
    """`guild` or null, `reasons` or null (all) → `places` that will be tried again."""
    guild_id = optional_id(values, "guild")
    where = None if guild_id is None else GuildId(guild_id)
    return {"places": await store.upkeep.retry_failed(where, _reasons(values))}


def _reasons(values: Values) -> Collection[Reason]:
    """Raises TellPerson for what is no reason."""
    found: Any = values.get("reasons")
    try:
        return tuple(Reason) if found is None else [Reason(reason) for reason in found]
    except (TypeError, ValueError):
        raise TellPerson("cli-needs", name="reasons") from None


async def _compact(store: Store, turn: asyncio.Lock, values: Values, tell: Tell) -> Values:
    """→ `before` and `after`, bytes of the database; `rewritten` and `backups` as above."""
    before = await store.upkeep.database_bytes()
    tell("giving room back; nothing can be stored meanwhile")
    await store.upkeep.shrink()
    rewritten = await _rewrite(store, turn, tell)
    after = await store.upkeep.database_bytes()
    backups = await _renew_backups(store, tell)
    return {"before": before, "after": after, "rewritten": rewritten, "backups": backups}


async def running_status(service: Service, values: Values, tell: Tell) -> Values:
    """→ `faults` of the background work since the bot's start; `backup`: the daily one; `promises`: how
    many are not in `fleet.storage` yet, null where that is empty; `lease`: the one on this folder's name, null where
    there is none; `model`: which one, whether it
    is loaded, and how it runs or ran last: `runs` in words, `choice` with a field for each. Empty and null before it
    was loaded once. `cluster`: the state of the one that it runs in; null where it runs on this machine alone."""
    encoder = service.encoder
    choice = encoder.choice if isinstance(encoder, ModelEncoder | ClusterEncoder) else NOT_CHOSEN
    chosen = choice != NOT_CHOSEN
    return {
        "faults": [asdict(fault) for fault in service.faults],
        "backup": service.backups.status.as_dict(),
        "promises": None if service.promises is None else asdict(service.promises.status),
        "lease": None if service.lease is None else asdict(service.lease.status),
        "model": {
            "name": encoder.spec.name,
            "pretrained": encoder.spec.pretrained,
            "awake": encoder.awake,
            "runs": str(choice) if chosen else "",
            "choice": asdict(choice) if chosen else None,
            "cluster": asdict(encoder.state) if isinstance(encoder, ClusterEncoder) else None,
        },
    }


async def _rewrite(store: Store, turn: asyncio.Lock, tell: Tell) -> bool:
    """Whatever file still holds something deleted is written anew; False where a reader kept the log from it."""
    if turn.locked():
        tell("another command is writing the files anew; this one is next")
    async with turn:
        await store.upkeep.compact_index()
        tell("the index's files are done; now the database")
        return await store.upkeep.purge()


async def _renew_backups(store: Store, tell: Tell) -> int | None:
    """Replaces the daily backups by one that has nothing of what was deleted; None where that cannot be done."""
    tell("daily backups from before are replaced by a new one")
    try:
        return await store.backups.renew()
    except RetryLater as error:
        tell(str(error))
        return None


def _required_id(values: Values, name: str) -> int:
    found = optional_id(values, name)
    if found is None:
        raise TellPerson("cli-needs", name=name)
    return found


def optional_id(values: Values, name: str) -> int | None:
    """A snowflake among the values of a request; None where it is not given. Raises TellPerson for anything else."""
    found = values.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 < found < 2**63:
        raise TellPerson("cli-id", name=name, found=str(found)[:40])
    return found
