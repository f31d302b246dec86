"""`afterimage fleet`: the processes of a large bot in a Ray cluster, started, shown, scraped and ended."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bot.command_line.encoder import TOKEN_FILE, told_to_end, written_token
from bot.config.fleet_file import read_fleet
from bot.config.loader import load
from bot.config.tables import TOKEN_VARIABLE, Config, WebSettings
from bot.config.values import PREFIX
from bot.fleet import metrics as metrics_text
from bot.fleet import table
from bot.fleet.plan import Changes, ProcessPlan, digest_of, namespace, process_name
from bot.observability import terminal
from bot.observability.log import logging_to
from indexer.errors import ConfigError, Stop

if TYPE_CHECKING:
    from aiohttp import web

    from bot.fleet.cluster import Fleet

logger = logging.getLogger(__name__)

# Half a minute after a machine has gone another one may write, and a storage may be silent for as long.
LEASE_S = 30.0
# Where a Ray of this machine alone listens, as that of `afterimage encoder` does.
HOST, PORT, CLIENT_PORT = "127.0.0.1", 6379, 10001
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Planned:
    """What the fleet's file and its configuration say. `own`: no cluster is configured, so this machine has one."""

    config: Config
    plans: tuple[ProcessPlan, ...]
    namespace: str
    own: bool

    @contextmanager
    def fleet(self) -> Iterator[Fleet]:
        """Joined until the block ends. Raises ModelUnavailable where the cluster cannot be joined.

        Ray prints on standard output that a node has died: what is shown, is shown after the block.
        """
        from indexer.encode.on_ray.connection import connect

        ray = self.config.settings.ray
        if self.own:
            ray = replace(ray, address=f"{HOST}:{PORT}", token_file=ray.token_file or TOKEN_FILE.expanduser())
        with terminal.libraries_kept_off():
            connect(ray, self.namespace)
            from bot.fleet.cluster import Fleet  # imports Ray, so it comes after `connect`

            fleet = Fleet()
            try:
                yield fleet
            finally:
                fleet.leave()


def up(arguments: argparse.Namespace) -> int:
    """Returns when the processes are made; with a Ray of its own, when it is told to end."""
    planned = _planned(arguments)
    _check_token(planned)
    if not planned.own or _listens():
        with planned.fleet() as fleet:
            changes = fleet.apply(planned.plans)
        terminal.say(changed_text(changes))
        return 0
    with logging_to(planned.config.log, []):
        return asyncio.run(_own_ray(planned))


async def _own_ray(planned: Planned) -> int:
    from indexer.encode.on_ray.one_node import Node, open_node

    cores = max(os.cpu_count() or 1, len(planned.plans))
    node = Node(HOST, PORT, CLIENT_PORT, cores, gpus=0)
    token_file = written_token(planned.config.settings.ray.token_file or TOKEN_FILE.expanduser())
    logger.info("starting Ray on %s", HOST)
    async with open_node(node, token_file) as ended:
        with planned.fleet() as fleet, told_to_end() as ending:  # in this order: Ray sets a handler of its own
            terminal.note(changed_text(fleet.apply(planned.plans)))
            terminal.note("`afterimage fleet status` shows them. Ctrl-C ends them, and Ray.")
            stopping = asyncio.create_task(ending.wait(), name="signal")
            await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if ended.done():
                raise Stop(f"The fleet has ended: {ended.result()}.")
            logger.info("ending the bots, and Ray")
            fleet.end(fleet.there(), planned.config.discord.shutdown_s)
    return 0


def changed_text(changes: Changes) -> str:
    """A line for what each process is about to do."""
    made = {plan.name for plan in changes.make}
    ended = {process_name(name) for name in changes.end}
    lines = [f"{name}: {'changed' if name in ended else 'started'}" for name in sorted(made)]
    lines += [f"{name}: ended" for name in sorted(ended - made)]
    lines += [f"{process_name(name)}: stays as it is" for name in changes.kept]
    return terminal.visible("\n".join(lines))


def status(arguments: argparse.Namespace) -> int:
    """1 where a process does not serve."""
    planned = _planned(arguments)
    with planned.fleet() as fleet:
        found = table.rows(planned.plans, fleet.ask("report"))
    if arguments.json:
        terminal.say_json(table.as_dict(found))
    else:
        terminal.say(table.text(found))
    return 0 if table.well(found) else 1


def down(arguments: argparse.Namespace) -> int:
    planned = _planned(arguments)
    with planned.fleet() as fleet:
        there = fleet.there()
        fleet.end(there, planned.config.discord.shutdown_s)
    terminal.say("\n".join(f"{process_name(name)}: ended" for name in there) or "no process of this fleet is there")
    return 0


def metrics(arguments: argparse.Namespace) -> int:
    """Raises ConfigError where --listen names no address."""
    planned = _planned(arguments)
    if arguments.listen is None:
        with planned.fleet() as fleet:
            text = _metrics(planned, fleet)
        terminal.say(text.rstrip())
        return 0
    with logging_to(planned.config.log, []), planned.fleet() as fleet:
        return asyncio.run(_serve_metrics(planned, fleet, arguments.listen))


async def _serve_metrics(planned: Planned, fleet: Fleet, listen: str) -> int:
    from aiohttp import web
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

    from bot.web.server import open_web

    turn = asyncio.Lock()  # each answer asks every process

    async def answer(_: web.Request) -> web.Response:
        async with turn:
            text = await asyncio.to_thread(_metrics, planned, fleet)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    with told_to_end() as ending:
        async with open_web(WebSettings(listen=listen), [web.get("/metrics", answer)]) as base:
            terminal.note(f"the metrics of the fleet: {base}/metrics")
            await ending.wait()
    return 0


def _metrics(planned: Planned, fleet: Fleet) -> str:
    told = fleet.ask("metrics")
    answers: dict[str, str] = {plan.name: "" for plan in planned.plans}
    starts: dict[str, int] = {}
    for name, answer in told.items():
        answers[name], starts[name] = ("", 0) if isinstance(answer, Exception) else (answer["text"], answer["starts"])
    return metrics_text.together(answers, starts)


def _planned(arguments: argparse.Namespace) -> Planned:
    """Raises ConfigError where a file cannot be read, or Ray is not installed."""
    if find_spec("ray") is None:
        raise ConfigError("`afterimage fleet` needs Ray, which is not installed: pip install 'afterimage[fleet]'.")
    fleet = read_fleet(arguments.file)
    file = (arguments.config or fleet.config).absolute()
    config = load(file, os.environ)
    digest, shutdown_s = digest_of(file), config.discord.shutdown_s
    plans = tuple(
        ProcessPlan(
            name=process.name,
            shards=f"{process.shards}/{fleet.shards}",
            folder=str(process.folder),
            config=str(file),
            digest=digest,
            shutdown_s=shutdown_s,
            settings=_settings(fleet.storage, process.name, config.settings.fleet.lease_s),
        )
        for process in fleet.processes
    )
    own = config.origins["ray.address"] == "default" and "RAY_ADDRESS" not in os.environ
    return Planned(config, plans, namespace(file), own)


def _settings(storage: str, name: str, lease_s: float) -> tuple[tuple[str, str], ...]:
    """What outlives the node, where the fleet has a place for it; with a lease, because Ray may start a process twice
    where it cannot reach the first one."""
    settings = {"FLEET_STORAGE": storage, "FLEET_NAME": name, "FLEET_LEASE_S": f"{lease_s or LEASE_S:g}"}
    return tuple((PREFIX + key, value) for key, value in settings.items()) if storage else ()


def _check_token(planned: Planned) -> None:
    """Raises ConfigError where the nodes cannot have the token: nothing of it is handed over."""
    config = planned.config
    if config.discord.token_file is not None:
        return
    if config.discord.token is None or planned.own:
        raise ConfigError(
            f"{config.path}: discord.token_file is not set. The processes of a fleet read the token on their node:"
            " put it alone into a file that only its user can read, and name that file."
        )
    terminal.warn(
        f"discord.token_file is not set: each node needs the token in the environment of its Ray, as {TOKEN_VARIABLE}"
    )


def _listens() -> bool:
    """Whether this machine has a Ray already where a fleet's own one would be."""
    with socket.socket() as probe:
        probe.settimeout(LOOK_S)
        return probe.connect_ex((HOST, PORT)) == 0
