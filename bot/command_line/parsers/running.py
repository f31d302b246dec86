"""`run`, `sandbox`, `encoder`, `check-config`, `status` and `health`."""

from __future__ import annotations

from bot.command_line.parsers.encoder import add_encoder
from bot.command_line.parsers.parser import Commands, add_json


def add_running(commands: Commands) -> None:
    run = commands.add(
        "run",
        "run:run",
        "Run the bot. Without a token it starts the sandbox, a Discord on this machine, and joins it.",
        examples=["run", "run --config /etc/afterimage/config.toml"],
    )
    run.add_argument("--adopt", action="store_true", help="take over the index that another bot left here")

    sandbox = commands.add(
        "sandbox",
        "run:sandbox",
        "Start the sandbox alone: a Discord on this machine with a demo server.",
        examples=["sandbox --port 8090"],
    )
    sandbox.add_argument("--port", type=int, default=0, metavar="N", help="its port on 127.0.0.1 (default: a free one)")

    add_encoder(commands)

    check = commands.add(
        "check-config",
        "check_config:check",
        "Check the configuration and show what is in force and why.",
        examples=["check-config", "check-config --example > config.toml"],
    )
    check.add_argument("--example", action="store_true", help="print a documented config.toml with every key instead")

    status = commands.add(
        "status",
        "status:show",
        "Show what is indexed. Works beside a running bot.",
        examples=["status", "status --json"],
    )
    add_json(status)

    commands.add(
        "health",
        "health:check",
        "Exit with 0 when the bot on this data folder answers and is connected (or lost Discord's gateway less than"
        " 30 s ago and connects again), else with 1. Where web.listen is set, /readyz is asked too.",
        examples=["health || systemctl restart afterimage"],
    )
