"""A real Ray of several nodes on this machine, in a process of its own, on loopback and with a token.

The first node has no cores, so that work is on the others. Another node comes with `add`; `kill` ends one as a loss of
power does. Each node has a name for its disk in its environment, NODE_DISK: a folder's name, for data of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DISK = "NODE_DISK"
_ROOT = Path(__file__).resolve().parents[1]
_STORE_BYTES = 80_000_000
_END_S = 60.0


@dataclass(frozen=True)
class RayNodes:
    """`ids` are Ray's, of the nodes with cores that are there, in the order in which they came. `folder` is for
    whatever lasts as long as this."""

    process: subprocess.Popen[str]
    address: str
    token_file: Path
    folder: Path
    ids: list[str] = field(default_factory=list)

    def add(self) -> str:
        """The id of the new node."""
        node = str(self._ask("add")["node"])
        self.ids.append(node)
        return node

    def kill(self, node: str | None = None) -> None:
        """Ends the node (None: the last one)."""
        gone = self.ids.pop() if node is None else self.ids.pop(self.ids.index(node))
        self._ask("kill", node=gone)

    def _ask(self, what: str, **values: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"ask": what, **values}) + "\n")
        self.process.stdin.flush()
        return _said(self.process)


@contextmanager
def open_ray_nodes(count: int, cores: int = 1) -> Iterator[RayNodes]:
    """The first node and `count` with so many cores. Everything of it is gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: its sockets' paths may have 107 characters
    token_file = folder / "token"
    token_file.write_text("a-token-of-the-nodes-with-enough-letters")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")},
        "PYTHONPATH": str(_ROOT),  # what runs on the nodes is this program
        "RAY_TMPDIR": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_file),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # so a loopback address stays one
    }
    process = subprocess.Popen(  # noqa: S603 -- this very file
        [sys.executable, "-m", __name__, str(cores)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, process_group=0,
    )  # fmt: skip
    with process:
        try:
            nodes = RayNodes(process, _said(process)["address"], token_file, folder)
            for _ in range(count):
                nodes.add()
            yield nodes
            assert process.stdin is not None
            process.stdin.close()
            process.wait(_END_S)
        finally:
            process.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _said(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("The process of the nodes has ended; what it said stands above.")
    said: dict[str, Any] = json.loads(line)
    return said


def _main(cores: str) -> None:
    """The process: a command a line, and its end with standard input."""
    answers = os.fdopen(os.dup(1), "w")  # a library that prints must not print into an answer
    os.dup2(2, 1)
    from ray.cluster_utils import Cluster

    common: dict[str, Any] = {"node_ip_address": "127.0.0.1", "object_store_memory": _STORE_BYTES}
    head = {"num_cpus": 0, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    cluster: Any = Cluster(initialize_head=True, head_node_args=common | head)
    nodes: dict[str, Any] = {}

    def say(**values: str) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    say(address=cluster.address)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["ask"] == "add":
            node = cluster.add_node(num_cpus=int(cores), env_vars={DISK: f"disk{len(nodes)}"}, **common)
            nodes[node.node_id] = node
            say(node=node.node_id)
        else:
            cluster.remove_node(nodes[asked["node"]], allow_graceful=False)
            say(node=asked["node"])
    cluster.shutdown()
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
