"""What each process of a fleet is, and what has to change for it to be so. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.config.values import PREFIX

# What Ray sets for its workers, and what is the bot's own choice: Ray gives an actor of one core one thread, and one
# without a share of a GPU none to see.
_OF_A_WORKER = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
# What a bot needs that reaches a cluster itself (model.runtime = "ray"). All else of Ray's is about the worker.
_OF_THE_CLUSTER = ("RAY_AUTH_", "RAY_TLS_", "RAY_USE_TLS", "RAY_TMPDIR", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process. `shards` as discord.shards has them ("0-7/16").

    `config` and `folder` are paths on the node that runs it: the same file on each, and no content of it goes over.
    `digest` is that of the file as `fleet up` read it. `settings` are further ones, by the name of their variable.
    """

    name: str
    shards: str
    folder: str
    config: str
    digest: str = ""
    shutdown_s: float = 20.0
    settings: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def mark(self) -> str:
        """The same for plans that are the same."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()[:10]

    def environment(self, whole: Mapping[str, str]) -> dict[str, str]:
        """Of the bot, from that of the worker which starts it."""
        kept = {
            name: value
            for name, value in whole.items()
            if name not in _OF_A_WORKER and (not name.startswith("RAY_") or name.startswith(_OF_THE_CLUSTER))
        }
        own = {"DATA_DIR": self.folder, "DISCORD_SHARDS": self.shards, "WEB_LISTEN": "127.0.0.1:0"}
        return kept | {PREFIX + name: value for name, value in own.items()} | dict(self.settings)


def plan_of(text: str) -> ProcessPlan:
    """As `as_json` wrote it."""
    values = json.loads(text)
    return ProcessPlan(**values | {"settings": tuple((name, value) for name, value in values["settings"])})


def digest_of(config: Path) -> str:
    """Raises OSError where it cannot be read."""
    return hashlib.sha256(config.read_bytes()).hexdigest()[:16]


def namespace(config: Path) -> str:
    """Of the names of a fleet's actors: two bots may share a cluster, and have a configuration each."""
    return f"afterimage-fleet-{hashlib.sha256(str(config).encode()).hexdigest()[:10]}"


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of actors to end, and the plans to make actors of. `kept` are the names of those that stay."""

    end: tuple[str, ...]
    make: tuple[ProcessPlan, ...]
    kept: tuple[str, ...]


def actor_name(plan: ProcessPlan) -> str:
    """Says by itself whether an actor is as planned, also where it does not answer."""
    return f"{plan.name}@{plan.mark}"


def process_name(actor: str) -> str:
    return actor.rpartition("@")[0]


def changes(there: Iterable[str], plans: Sequence[ProcessPlan]) -> Changes:
    """`there`: the names of the actors that exist."""
    existing, wanted = set(there), {actor_name(plan): plan for plan in plans}
    return Changes(
        end=tuple(sorted(existing - set(wanted))),
        make=tuple(plan for name, plan in wanted.items() if name not in existing),
        kept=tuple(sorted(existing & set(wanted))),
    )
