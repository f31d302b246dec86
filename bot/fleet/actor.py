"""A supervisor as Ray's actor. Ray starts it anew when it dies, on another node where its own is gone.

The supervisor runs on a thread of its own from the first moment on: nobody has to call an actor that Ray has started
anew. Answers are plain values.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from bot.fleet.plan import plan_of
from bot.fleet.report import metrics, report
from bot.fleet.supervisor import CHILD, Supervisor

T = TypeVar("T")

_START_S = 30.0
ANSWER_S = 10.0  # for what is asked of the bot
_STOP_S = 30.0  # beyond discord.shutdown_s


class FleetProcess:
    """The methods of the actor. `plan` as `ProcessPlan.as_json` wrote it: paths and numbers, nothing secret."""

    def __init__(self, plan: str, child: str = CHILD) -> None:
        logging.basicConfig(level=logging.INFO)
        self._plan = plan_of(plan)
        self._loop = asyncio.new_event_loop()
        self._supervisor = Supervisor(self._plan, os.environ, child)
        threading.Thread(target=self._run, name="supervisor", daemon=True).start()

    def node(self) -> str:
        """The id of the node that it is on."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def report(self) -> dict[str, Any]:
        """A row of `fleet status`."""
        node = {"host": socket.gethostname(), "id": self.node()}
        return self._on_loop(report(self._supervisor), ANSWER_S) | {"node": node}

    def metrics(self) -> dict[str, Any]:
        """`text` in the format of Prometheus, empty where the bot does not answer, and its `starts`."""
        text = self._on_loop(metrics(self._supervisor.folder), ANSWER_S)
        return {"text": text, "starts": self._supervisor.standing.starts}

    def stop(self) -> None:
        """Ends the bot, and returns when it has ended."""
        self._on_loop(self._supervisor.stop(), self._plan.shutdown_s + _STOP_S)

    def _on_loop(self, work: Coroutine[Any, Any, T], longest_s: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(longest_s)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._supervisor.run())
        except BaseException:
            logging.getLogger(__name__).exception("the supervisor has failed: Ray starts it anew")
            os._exit(1)
        self._loop.run_forever()  # a stopped process still answers
