"""`afterimage reindex`: the running bot reads a server's history, or one that runs for as long as that takes."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.command_line.carrying import carry_out
from bot.command_line.run import bot_app
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.config.tables import TOKEN_VARIABLE, Config
from bot.control.client import NoBot, ask
from bot.control.handler import Values
from bot.control.jobs import jobs, starting
from bot.observability import terminal
from bot.observability.hardening import keep_memory_private, wipe_from_environment
from bot.observability.log import logging_to
from bot.observability.work_bar import WorkBar, work_bar
from bot.texts.formats import duration
from indexer.errors import AfterimageError, TellPerson

if TYPE_CHECKING:
    from bot.gateway.client import Client
    from indexer.service import Service

CONNECT_S = 120.0  # a start, the login and every server's READY, on a slow line
POLL_S = 0.5
INTERRUPTED = 130

WHAT = {"server": "the whole server", "failed": "the pictures that failed before"}

Ask = Callable[[str, Values], Awaitable[Values]]  # an operation's name and values → what came of it


def run(arguments: argparse.Namespace) -> int:
    """0: done, or what was asked for is in force. 1: the job failed, or was cancelled or paused meanwhile. 130: Ctrl-C.

    Raises TellPerson, Refused, RetryLater, StorageError; Stop where a bot cannot be started.
    """
    config = load(arguments.config, os.environ)
    if arguments.action == "start":
        return _start(config, arguments)
    for given, option in (
        (arguments.channel, "--channel"),
        (arguments.failed, "--failed"),
        (arguments.background, "--background"),
        (arguments.fleet, "--fleet"),
    ):
        if given:
            raise TellPerson("cli-reindex-start-only", option=option)
    name, values = "jobs", {"guild": guild_of(arguments.guild)}
    if arguments.action != "status":
        name, values = "change-job", {**values, "change": arguments.action}
    answer, by_bot = asyncio.run(carry_out(config.settings, name, values, jobs))
    _show(answer["jobs"] if name == "jobs" else [answer["job"]], by_bot, arguments)
    return 0


def _start(config: Config, arguments: argparse.Namespace) -> int:
    values = {"guild": guild_of(arguments.guild), "channel": arguments.channel, "failed": arguments.failed}
    values["fleet"] = arguments.fleet
    job: Values | None
    by_bot = True
    try:
        job = asyncio.run(_by_running_bot(config, values, arguments))
    except NoBot:
        if arguments.background:
            raise TellPerson("cli-reindex-no-bot") from None
        job, by_bot = _by_own_bot(config, values, arguments), False
    except KeyboardInterrupt:
        terminal.note("the bot goes on with it: `afterimage reindex status` shows how far it is, `… cancel` ends it")
        raise
    if job is None:
        terminal.note("interrupted: what came in stays; the same command, or the bot's next start, goes on from there")
        return INTERRUPTED
    _show([job], by_bot, arguments)
    return 0 if arguments.background or job["state"] == "done" else 1


async def _by_running_bot(config: Config, values: Values, arguments: argparse.Namespace) -> Values:
    """The job as it ended, or as it began where it is left to the bot. Raises NoBot."""

    async def ask_bot(name: str, asked: Values) -> Values:
        return await ask(config.settings.data_dir, name, asked, terminal.note)

    begun: Values = (await ask_bot("start-job", values))["job"]
    return begun if arguments.background else await _followed(ask_bot, begun, arguments.quiet)


def _by_own_bot(config: Config, values: Values, arguments: argparse.Namespace) -> Values | None:
    """The same by a bot that runs here until the job has ended; None where a signal ended it before."""
    token = config.discord.token
    if token is None:
        raise TellPerson("cli-reindex-no-token")
    keep_memory_private()
    wipe_from_environment(TOKEN_VARIABLE)
    results: list[Values | AfterimageError] = []

    async def work(client: Client, service: Service) -> None:
        try:
            results.append(await _worked(client, service, values, arguments.quiet))
        except AfterimageError as error:
            results.append(error)

    with logging_to(replace(config.log, level="warning"), [token]):
        bot_app().run(config, work=work)
    result = next(iter(results), None)
    if isinstance(result, AfterimageError):
        raise result
    return result


async def _worked(client: Client, service: Service, values: Values, quiet: bool) -> Values:
    """Once the bot is connected: starts the job and stays until it has ended."""
    try:
        async with asyncio.timeout(CONNECT_S):
            await client.wait_until_serving()
    except TimeoutError:
        raise TellPerson("cli-reindex-not-connected", seconds=int(CONNECT_S)) from None
    handlers = {**jobs(service), **starting(service)}

    async def ask_here(name: str, asked: Values) -> Values:
        return await handlers[name](asked, terminal.note)

    begun: Values = (await ask_here("start-job", values))["job"]
    return await _followed(ask_here, begun, quiet)


async def _followed(ask_for: Ask, job: Values, quiet: bool) -> Values:
    """The job as it ended, after its progress was shown. Raises TellPerson where it went with its server."""
    with work_bar(quiet) as bar:
        while job["state"] == "running":
            _draw(bar, job["progress"])
            await asyncio.sleep(POLL_S)
            found = (await ask_for("job", {"id": job["id"]}))["job"]
            if found is None:
                raise TellPerson("cli-job-gone")
            job = found
    return job


def _draw(bar: WorkBar, progress: Mapping[str, Any] | None) -> None:
    if progress is not None:
        read, expected = progress["messages"], progress["messages_expected"]
        bar.show("messages read", read, None if expected is None else max(read, expected))
        bar.show("pictures", progress["places_done"], progress["places_total"])


def _show(found: list[Values], by_bot: bool, arguments: argparse.Namespace) -> None:
    if arguments.json:
        terminal.say_json({"jobs": found, "running": by_bot})
    elif found:
        terminal.say("\n".join(text(job, by_bot) for job in found))
    else:
        terminal.say("nothing was indexed yet: `afterimage reindex` begins")


def text(job: Values, by_bot: bool) -> str:
    """One line, and another one for the reason where there is one. `by_bot`: a bot runs on this folder."""
    what = WHAT.get(job["scope"]) or f"channel {job['channel']}"
    if job["imported"]:
        what = "an archive"
    head = f"{terminal.one_line(job['guild']['name'])}: indexing {what}: {job['state']}"
    parts = [head, *_counts(job["progress"], running=job["state"] == "running")]
    if job["state"] == "running" and not by_bot:
        parts.append("no bot runs: it goes on when the bot does")
    line = ", ".join(parts)
    return f"{line}\n  {terminal.one_line(job['reason'], 300)}" if job["reason"] else line


def _counts(progress: Mapping[str, Any] | None, *, running: bool) -> list[str]:
    """What came in; while it runs also how far it is."""
    if progress is None:
        return []
    done, failed, parked = progress["places_done"], progress["failed"], progress["channels_parked"]
    found = [f"{progress['messages']:,} messages read"]
    if running:
        share = f"{progress['fraction']:.0%}"
        found = [share, *found, f"{done:,} of {progress['places_total']:,} pictures"]
        if progress["seconds_left"] is not None:
            found.append(f"about {duration(progress['seconds_left'])} left")
    else:
        found.append(f"{done - failed:,} new pictures")
    if failed:
        found.append(f"{failed:,} could not be read (`afterimage failures` says why)")
    if parked:
        found.append(f"{parked:,} channels are closed to the bot")
    return found
