"""The fleet in a Ray cluster: the actors that are there, made, asked and ended. The one file here that imports Ray.

An actor is detached and named for its process and its plan (plan.py), so a second `fleet up` finds it. It is bound to
its node softly: a supervisor that died comes back to its folder, and where the node is gone it goes elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bot.fleet.actor import FleetProcess
from bot.fleet.plan import Changes, ProcessPlan, actor_name, changes, process_name
from indexer.errors import RetryLater

ASK_S = 20.0  # for what is asked of all processes at once
_CALLS = 16  # at once to an actor
_CORES = 1.0  # of its node, that a process takes
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # in Ray's sentences


class Fleet:
    """The actors of one bot, in the cluster and the namespace that this process has joined.

    It has joined before this file is imported, because Ray reads its environment at its import
    (indexer/encode/on_ray/connection.py).
    """

    def there(self) -> list[str]:
        """The names of the actors that exist, also of those whose node is gone."""
        return sorted(ray.util.list_named_actors())

    def apply(self, plans: Sequence[ProcessPlan]) -> Changes:
        """Ends what is not as planned, then makes what is missing. Raises RetryLater where Ray does not."""
        wanted = changes(self.there(), plans)
        nodes = {process_name(name): self._node(name) for name in wanted.end}
        self.end(wanted.end, max((plan.shutdown_s for plan in plans), default=0.0))
        taken = Counter(node for name in wanted.kept if (node := self._node(name)))
        for plan in wanted.make:
            node = nodes.get(plan.name) or _free_node(taken)
            self._make(plan, node)
            taken[node or ""] += 1
        return wanted

    def end(self, names: Sequence[str], shutdown_s: float) -> None:
        """Each bot ends as with SIGTERM; whoever does not answer in time is ended by Ray."""
        handles = [handle for name in names if (handle := self._handle(name)) is not None]
        stopping = [handle.stop.remote() for handle in handles]
        if stopping:
            ray.wait(stopping, num_returns=len(stopping), timeout=shutdown_s + ASK_S)
        for handle in handles:
            ray.kill(handle, no_restart=True)

    def ask(self, what: str) -> dict[str, Any]:
        """The answers of the processes to a method of FleetProcess, by name; a RetryLater in place of one that is not
        there in time."""
        handles = {process_name(name): self._handle(name) for name in self.there()}
        asked = {name: getattr(handle, what).remote() for name, handle in handles.items() if handle is not None}
        if asked:
            ray.wait(list(asked.values()), num_returns=len(asked), timeout=ASK_S)
        return {name: _answer(reference) for name, reference in asked.items()}

    def leave(self) -> None:
        """The processes stay."""
        ray.shutdown()

    def _node(self, name: str) -> str | None:
        handle = self._handle(name)
        if handle is None:
            return None
        answer = handle.node.remote()
        ray.wait([answer], timeout=ASK_S)
        found = _answer(answer)
        return found if isinstance(found, str) else None

    def _handle(self, name: str) -> Any:
        try:
            return ray.get_actor(name)
        except ValueError:  # it has been ended meanwhile
            return None

    def _make(self, plan: ProcessPlan, node: str | None) -> None:
        strategy = "SPREAD" if node is None else NodeAffinitySchedulingStrategy(node, soft=True)
        options: Mapping[str, Any] = {
            "name": actor_name(plan),
            "lifetime": "detached",
            "max_restarts": -1,
            "max_task_retries": 0,
            "max_concurrency": _CALLS,
            "num_cpus": _CORES,
            "scheduling_strategy": strategy,
        }
        try:
            ray.remote(FleetProcess).options(**options).remote(plan.as_json())
        except (RayError, ValueError, RuntimeError, OSError) as error:
            raise RetryLater(f"Ray cannot start process {plan.name}: {error}") from error


def _answer(reference: Any) -> Any:
    try:
        return ray.get(reference, timeout=0.001)
    except RayError as error:
        lines = [line.strip() for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
        return RetryLater(f"{type(error).__name__}: {lines[-1] if lines else ''}")


def _free_node(taken: Mapping[str, int]) -> str | None:
    """The node with a core that has the fewest of the fleet's processes; None where there is none."""
    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray has no types there
    nodes = [node["NodeID"] for node in found if node["Alive"] and node["Resources"].get("CPU", 0) >= _CORES]
    return min(nodes, key=lambda node: (taken.get(node, 0), node), default=None)
