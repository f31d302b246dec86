"""A real Ray of several nodes on this machine, in a process of its own, on loopback and with a token.

The first node has no cores, so that encoders are on the others, of one core each. Another node comes with `add`, the
last one is killed with `kill`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.encode.child import begin
from indexer.encode.on_ray.environment import prepare
from indexer.encode.protocol import LENGTH, message
from indexer.platforms.processes import command
from indexer.settings import RaySettings

_STORE_BYTES = 80_000_000
_END_S = 60.0


@dataclass(frozen=True)
class Nodes:
    """What the tests have of it."""

    process: subprocess.Popen[bytes]
    address: str
    token_file: Path

    def settings(self, **changes: Any) -> RaySettings:
        values: dict[str, Any] = {"address": self.address, "token_file": self.token_file, "cores": 1.0}
        return RaySettings(**(values | changes))

    def add(self) -> None:
        self._ask("add")

    def kill(self) -> None:
        """Ends the last node as a loss of power does."""
        self._ask("kill")

    def _ask(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(message({"ask": what}))
        self.process.stdin.flush()
        _said(self.process)


@contextmanager
def open_nodes(count: int) -> Iterator[Nodes]:
    """The first node and `count` with a core. Everything of it is gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: its sockets' paths may have 107 characters
    token_file = folder / "token"
    token_file.write_text("a-token-of-the-tests-with-enough-letters")
    environment = {**os.environ, "RAY_TMPDIR": str(folder)}
    prepare(environment, "127.0.0.1:0", token_file)
    arguments = json.dumps({"parent": os.getpid(), "count": count})
    process = subprocess.Popen(
        command(arguments, __name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=0
    )
    with process:
        try:
            nodes = Nodes(process, _said(process)["address"], token_file)
            yield nodes
            nodes._ask("end")
            process.wait(_END_S)
        finally:
            process.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _said(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    (length,) = LENGTH.unpack(process.stdout.read(LENGTH.size))
    said: dict[str, Any] = json.loads(process.stdout.read(length))
    return said


def main(arguments: str) -> None:
    given = json.loads(arguments)
    requests, answers = begin(given["parent"])
    from ray.cluster_utils import Cluster

    common: dict[str, Any] = {"node_ip_address": "127.0.0.1", "object_store_memory": _STORE_BYTES}
    head = {"num_cpus": 0, "include_dashboard": False, "no_monitor": True}
    cluster: Any = Cluster(initialize_head=True, head_node_args=common | head)
    nodes = [cluster.add_node(num_cpus=1, **common) for _ in range(given["count"])]
    answers.say("started", address=cluster.address)
    while True:
        match requests.get()["ask"]:
            case "add":
                nodes.append(cluster.add_node(num_cpus=1, **common))
            case "kill":
                cluster.remove_node(nodes.pop(), allow_graceful=False)
            case _:
                cluster.shutdown()
                answers.say("ended")
                os._exit(0)
        answers.say("done")
