"""The process that has a Ray of one machine.

`ray start` puts the machine's own address in place of a loopback address, and then listens on every network. So the
node is made by Ray's own classes.
"""

from __future__ import annotations

import json
import os
import queue
from typing import Any

from indexer.encode.child import begin
from indexer.encode.on_ray.one_node import Node

_LOOK_S = 1.0


def main(arguments: str) -> None:
    """What the process does: starts the node, and ends it when it is told to. Where this process is killed, a process
    of Ray's ends the others."""
    given = json.loads(arguments)
    requests, answers = begin(given["parent"])
    node = Node(**given["node"])
    from ray.cluster_utils import Cluster

    try:
        cluster: Any = Cluster(initialize_head=True, head_node_args=_ray_parameters(node))
    except Exception as error:  # noqa: BLE001 -- a port that is taken is an OSError, a RuntimeError or one of Ray's own
        answers.say("failed", text=f"{type(error).__name__}: {error}")
        os._exit(1)
    answers.say("started")
    while True:
        try:
            requests.get(timeout=_LOOK_S)
            break
        except queue.Empty:
            dead = [kind for kind, _ in cluster.head_node.dead_processes()]
            if dead:
                answers.say("ended", text=f"Ray's {', '.join(dead)} has ended; see its logs in /tmp/ray/session_latest")
                break
    cluster.shutdown()
    os._exit(0)


def _ray_parameters(node: Node) -> dict[str, Any]:
    return {
        "node_ip_address": node.host,
        "gcs_server_port": node.port,
        "ray_client_server_port": node.client_port,
        "num_cpus": node.cores,
        "num_gpus": node.gpus,
        "object_store_memory": node.store_bytes,
        "include_dashboard": False,
        "include_log_monitor": False,  # 80 MB, to show workers' logs to programs that want them; the bot does not
        "no_monitor": True,  # the autoscaler of clouds
    }
