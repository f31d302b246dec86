"""The configuration's own tables: how the bot reaches Discord, what it logs, what members may ask, HTTP.

The indexer's tables are the fields of indexer.settings.Settings. loader.py reads all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from bot.config.shards import ALL_RECOMMENDED, ShardRange
from bot.config.values import PREFIX, Secret
from indexer.settings import About, Settings

TOKEN_VARIABLE = PREFIX + "DISCORD_TOKEN"


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """How the bot reaches Discord."""

    token: Secret | None = None
    token_file: Annotated[
        Path | None, About(f"A file that holds the bot's token and nothing else ({TOKEN_VARIABLE} goes before it).")
    ] = None
    api_base: Annotated[str, About("Where Discord's REST interface lies; the gateway's address comes from there.")] = (
        "https://discord.com/api/v10"
    )
    thumbnails: Annotated[
        str,
        About(
            "What Discord is given to show a found picture by. signed: the link that its message carries now; links:"
            " the bare link, which Discord may or may not sign; uploaded: a small copy, sent with the reply.",
            choices=("signed", "links", "uploaded"),
        ),
    ] = "signed"
    shards: Annotated[
        ShardRange,
        About(
            'Gateway connections; 0: as many as Discord recommends. "4-7/16": this process serves shards 4 to 7 of 16,'
            " and other processes, each with a data folder of its own, serve the others (docs/fleet.md)."
        ),
    ] = ALL_RECOMMENDED
    history_per_second: Annotated[
        float,
        About(
            "Requests that this process sends for history; 0: 35 for the whole bot, of which a process takes the part"
            " that its shards are of all. More is only right where Discord has raised the limit of 50 for this bot.",
            "a second",
            low=0,
            high=1_000,
        ),
    ] = 0.0
    turns_dir: Annotated[
        Path | None,
        About(
            "The folder where processes of one bot on one machine take turns to connect, as Discord wants it. Empty:"
            " one of this user's in the system's folder for temporary files. Those of several machines do it in"
            " fleet.storage."
        ),
    ] = None
    shutdown_s: Annotated[
        float, About("The longest wait for work in hand after SIGTERM or SIGINT.", "seconds", low=1, high=300)
    ] = 20.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written to standard error."""

    level: Annotated[
        str, About("The least that is logged.", choices=("debug", "info", "warning", "error", "critical"))
    ] = "info"
    format: Annotated[
        str, About("text: for people; json: one object a line, for collectors.", choices=("text", "json"))
    ] = "text"


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How often one member may ask, as a token bucket: `burst` at once, `per_minute` in the long run; and is told."""

    per_minute: Annotated[float, About("Commands a member may give in the long run.", "a minute", low=1)] = 20.0
    burst: Annotated[int, About("Commands a member may give at once.", "commands", low=1, high=1000)] = 6
    notice_minutes: Annotated[
        float,
        About(
            "The least time between two notices that one saved search gives its member; what is new meanwhile is in the"
            " next one.",
            "minutes",
            low=0,
            high=10_080,
        ),
    ] = 60.0


@dataclass(frozen=True, slots=True)
class WebSettings:
    """HTTP: the console, /api/v1, /healthz, /readyz and /metrics."""

    listen: Annotated[
        str,
        About(
            "Where HTTP is answered, as address:port (127.0.0.1:8642, or [::1]:8642); empty: nowhere. Whoever reaches"
            " the port may read health and metrics, and with a key everything: keep it on loopback or in a container's"
            " own network."
        ),
    ] = ""
    hosts: Annotated[
        tuple[str, ...],
        About("Names that this server answers to, beside addresses and localhost: of a proxy, or a container."),
    ] = ()
    origins: Annotated[
        tuple[str, ...],
        About(
            "Origins of other sites whose pages may ask /api/v1 from a browser, each with a key of its own, as"
            " https://tools.example.org; none: no page of another site may."
        ),
    ] = ()
    archives: Annotated[
        Path | None,
        About(
            "The folder that archives may be imported from over HTTP, with a key of scope admin for every server;"
            " nothing outside of it is listed or read. It belongs to this bot alone. Empty: none."
        ),
    ] = None
    upload_bytes: Annotated[
        int,
        About("How much may be uploaded into that folder at once. 0: nothing.", "bytes", low=0, high=40_000_000_000),
    ] = 0


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration in force.
    `origins` says for each dotted key where its value came from; `warnings` are sentences.
    """

    settings: Settings = field(default_factory=Settings)
    discord: DiscordSettings = field(default_factory=DiscordSettings)
    log: LogSettings = field(default_factory=LogSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    web: WebSettings = field(default_factory=WebSettings)
    path: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


# The bot's own tables. The indexer's tables are the fields of Settings.
TABLES: dict[str, type[Any]] = {
    "discord": DiscordSettings,
    "log": LogSettings,
    "limits": LimitSettings,
    "web": WebSettings,
}
