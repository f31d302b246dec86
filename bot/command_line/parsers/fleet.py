"""`fleet` and its actions."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.command_line.parsers.parser import Commands, add_json


def add_fleet(commands: Commands) -> None:
    actions = commands.group(
        "fleet",
        "Run a large bot as several processes on the machines of a Ray cluster (docs/fleet.md).",
        notes="Needs the extra on every machine: pip install 'afterimage[fleet]'. Whoever reaches a port of Ray can run"
        " programs on its machines.",
    )
    up = actions.add(
        "up",
        "fleet:up",
        "Start the processes of fleet.toml in the cluster, change those that the file has otherwise now, end those that"
        " it has no more. Without a cluster (ray.address is not set) it starts a Ray on this machine, and stays until"
        " Ctrl-C.",
        examples=["fleet up fleet.toml"],
    )
    _add_file(up)
    status = actions.add(
        "status",
        "fleet:status",
        "Show each process: its shards, node, state, servers, pictures, queue, lag and last backup. Exit code 1 where"
        " one does not serve.",
        examples=["fleet status fleet.toml", "fleet status fleet.toml --json"],
    )
    _add_file(status)
    add_json(status)
    metrics = actions.add(
        "metrics",
        "fleet:metrics",
        "Show the metrics of all processes as one text for Prometheus, or answer them over HTTP until Ctrl-C.",
        examples=["fleet metrics fleet.toml", "fleet metrics fleet.toml --listen 127.0.0.1:9642"],
    )
    _add_file(metrics)
    metrics.add_argument("--listen", metavar="ADDRESS:PORT", help="answer /metrics there instead of printing it once")
    down = actions.add(
        "down",
        "fleet:down",
        "End every process of the fleet. Their folders stay.",
        examples=["fleet down fleet.toml"],
    )
    _add_file(down)


def _add_file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", type=Path, nargs="?", default=Path("fleet.toml"), metavar="FILE", help="default: ./fleet.toml"
    )
