"""10,000 servers with a billion pictures, simulated: how long they take under Discord's limits, and what is the wall.

A simulation of events (simpy): servers are shared out over shard processes, each reads a few channels at once, a
channel's requests come one after the other, and all processes together keep to the bot's limit. What a request brings
goes to the encoders. What costs time here was measured elsewhere, and is read from benchmarks/results; Discord's limits
are those of its documentation, or of the field where it has none. Nothing of it was tried at this size.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

from benchmarks.report import RESULTS, Report

SERVERS: Final = 10_000
PICTURES: Final = 1_000_000_000
SPREAD: Final = 1.6  # sigma of the log-normal sizes: a hundredth of the servers has a fifth of the pictures
CHANNELS: Final = 40  # a server, of geometrically falling size
WITH_PICTURE: Final = 0.03  # of the messages, as in bench-crawl

REQUESTS_PER_S: Final = 35.0  # that history takes of Discord's 50 for a bot (bot/history/rest.py)
CHANNEL_PER_S: Final = 1.0  # of one channel, in the field
IDENTIFY_S: Final = 5.0  # between two of one bucket
SERVERS_A_SHARD: Final = 2_500  # at most
COPY_KB: Final = 25.0  # of a copy of 336 pixels: benchmarks/mixed_files.py writes such
STEP: Final = 500  # requests of a channel that are one event

CORE_HOUR: Final = 0.04  # US dollars, an assumption
GB_MONTH: Final = 0.08

simpy: Any = import_module("simpy")  # only benchmarks install it
Steps = Generator[Any, None, None]  # of a process of the simulation


@dataclass(frozen=True, slots=True)
class Fleet:
    """What reads: `processes` of `channels` channels at once, and encoders of together `pictures_per_s`."""

    processes: int
    channels: int
    pictures_per_s: float
    requests_a_message: float
    requests_per_s: float = REQUESTS_PER_S


@dataclass(slots=True)
class Outcome:
    """Seconds until all history is read and until all is encoded, requests, and how busy the encoders were."""

    read_s: float = 0.0
    encoded_s: float = 0.0
    requests: float = 0.0
    encoding_s: float = 0.0


def servers(draws: random.Random) -> list[list[float]]:
    """The pictures of each channel of each server."""
    sizes = [draws.lognormvariate(0.0, SPREAD) for _ in range(SERVERS)]
    factor = PICTURES / sum(sizes)
    shares = [0.85**at for at in range(CHANNELS)]
    return [[size * factor * share / sum(shares) for share in shares] for size in sizes]


def simulated(fleet: Fleet, wanted: Sequence[Sequence[float]]) -> Outcome:
    """Everything that the servers show, read and encoded once."""
    world, outcome = simpy.Environment(), Outcome()
    gate, encoders = simpy.Resource(world), simpy.Resource(world)
    lines: list[list[float]] = [[] for _ in range(fleet.processes)]
    for at, channels in enumerate(wanted):
        lines[at % fleet.processes] += channels
    for line in lines:
        line.reverse()
        for _ in range(fleet.channels):
            world.process(_reader(world, fleet, gate, encoders, line, outcome))
    world.run()
    return outcome


def _reader(
    world: Any,
    fleet: Fleet,
    gate: Any,
    encoders: Any,
    line: list[float],
    outcome: Outcome,
) -> Steps:
    """One channel after the other. A step takes its turn at the bot's limit, and as long as the channel's own."""
    while line:
        pictures = line.pop()
        left = pictures / WITH_PICTURE * fleet.requests_a_message
        while left > 0:
            requests = min(left, STEP)
            begun = world.now
            with gate.request() as turn:
                yield turn
                yield world.timeout(requests / fleet.requests_per_s)
            yield world.timeout(max(requests / CHANNEL_PER_S - (world.now - begun), 0.0))
            outcome.requests += requests
            outcome.read_s = world.now
            brought = requests / fleet.requests_a_message * WITH_PICTURE
            world.process(_encoded(world, encoders, brought / fleet.pictures_per_s, outcome))
            left -= requests


def _encoded(world: Any, encoders: Any, seconds: float, outcome: Outcome) -> Steps:
    with encoders.request() as turn:
        yield turn
        yield world.timeout(seconds)
    outcome.encoding_s += seconds
    outcome.encoded_s = world.now


def measured(name: str, what: str) -> float:
    """A figure of another benchmark's record, by how its row begins. Raises LookupError where it is not there."""
    rows = json.loads((RESULTS / f"{name}.json").read_text())["rows"]
    for row in rows:
        if row["what"].startswith(what):
            return float(row["value"])
    raise LookupError(f"benchmarks/results/{name}.json has no row {what!r}")


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__).parse_args()
    report, wanted = Report("scale"), servers(random.Random(7))
    paging = measured("crawl", "100,000 messages, 3 % with pictures: requests by paging") / 100_000
    search = measured("crawl", "100,000 messages, 3 % with pictures: requests by search, samples included") / 100_000
    slow, fast = measured("encode", "the model alone"), measured("crawl", "the model alone, pixels in memory")
    bytes_a_picture = measured("index", "1,000,000: disk a picture")
    database = measured("storage", "database, 100,000 messages with a picture") * 1e6 / 100_000
    shards = -(-SERVERS // SERVERS_A_SHARD)
    report.row("shards that Discord asks for at least", shards, "shards")
    report.row("their IDENTIFYs, one bucket", shards * IDENTIFY_S, "s")
    report.row("downloads, as copies of 336 pixels", PICTURES * COPY_KB / 1e9, "TB")
    stored_gb = PICTURES * (bytes_a_picture + database) / 1e9
    report.row("vectors and database", stored_gb / 1e3, "TB")
    report.row("their disk a month", stored_gb * GB_MONTH, "US dollars")
    for name, requests in (("paging", paging), ("search", search)):
        alone = simulated(Fleet(16, 4, 1e9, requests), wanted)
        report.row(f"history by {name}: requests", alone.requests / 1e6, "million")
        report.row(f"history by {name}: read, 16 processes, encoders without limit", alone.read_s / 86_400, "days")
        needed = PICTURES / alone.read_s
        report.row(f"history by {name}: pictures/s at which encoders are no wall", needed, "pictures/s")
        for what, rate in (("slower", slow), ("faster", fast)):
            report.row(f"history by {name}: machines of two {what} cores for that", needed / rate, "machines")
    for machines in (4, 16):
        fleet = Fleet(16, 4, machines * fast, search)
        found = simulated(fleet, wanted)
        report.row(f"search, {machines} encoders of two faster cores: all encoded", found.encoded_s / 86_400, "days")
        report.row(f"search, {machines} encoders: busy", found.encoding_s / found.encoded_s, "share")
        hours = machines * 2 * found.encoded_s / 3600
        report.row(f"search, {machines} encoders: core hours", hours * CORE_HOUR, "US dollars")
    twice = simulated(replace(Fleet(16, 4, 1e9, search), requests_per_s=2 * REQUESTS_PER_S), wanted)
    report.row("search, encoders without limit, twice Discord's limit", twice.read_s / 86_400, "days")
    wide = simulated(Fleet(16, 16, 1e9, search), wanted)
    report.row("search, encoders without limit, 16 channels a process", wide.read_s / 86_400, "days")
    report.finish()


if __name__ == "__main__":
    main()
