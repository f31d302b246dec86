"""`afterimage setup`: from a token to a bot that can be started, in one conversation or by flags."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.command_line.program import program
from bot.command_line.setup_discord import Bot, who
from bot.command_line.setup_files import (
    NewFile,
    close_to_others,
    config_file,
    config_text,
    replace_unchanged,
    secret_file,
    write_all,
)
from bot.command_line.setup_invitation import invited, show, wants_reading
from bot.command_line.setup_model import OFFERED, exports_here, suited_here, table
from bot.config.loader import CONFIG_VARIABLE, DEFAULT_FILE, all_keys, checked_token, without_file
from bot.config.tables import TOKEN_VARIABLE, Config
from bot.config.values import Secret, suggest
from bot.gateway.refusals import DiscordRefused
from bot.observability import terminal
from bot.observability.hardening import keep_memory_private, wipe_from_environment
from indexer.encode.catalogue import CATALOGUE
from indexer.errors import ConfigError, Stop, TellPerson

DEFAULT_NAME = "token.txt"

MOST_TRIES = 10  # of one question: a terminal whose other end is gone answers for ever


@dataclass(frozen=True, slots=True)
class Token:
    """The bot's token. `path` is its file, None where the environment has it; `new`: the file is still to be made."""

    secret: Secret
    path: Path | None
    new: bool = False


def setup(arguments: argparse.Namespace) -> int:
    """0 once everything is written, also where nobody has invited the bot yet.

    Raises ConfigError, DiscordRefused, and TellPerson where files are there and nobody says that they may go.
    """
    keep_memory_private()
    base = without_file(_environment(os.environ, arguments.token_file))
    wipe_from_environment(TOKEN_VARIABLE)
    target: Path = arguments.config or Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)
    asks = terminal.asks_a_person() and str(arguments.token_file) != "-"
    _check_model(arguments.model)
    makes_token = base.discord.token is None
    _may_replace([target, *([target.parent / DEFAULT_NAME] if makes_token else [])], force=arguments.force, asks=asks)
    token = _token(base, arguments.token_file, target.parent, asks=asks)
    bot = _complete(token.secret, base.discord.api_base, asks=asks)
    model = arguments.model or _chosen_model(asks=asks and arguments.model_folder is None)
    named = _named(token.path, target.parent)
    text = config_text(named, model, arguments.model_folder, read=arguments.read)
    _write(target, text, token)
    if not exports_here() and arguments.model_folder is None:
        terminal.say(
            "torch is not installed here: export the model on another machine (`afterimage model export`), copy it"
            " here, and name its folder in config.toml as model.folder."
        )
    server = None
    if arguments.no_wait:
        show(bot)
    else:
        server = invited(bot, token.secret, base.discord.api_base, asks=asks)
    read = arguments.read
    if not read and asks and server is not None and wants_reading(server):
        read = replace_unchanged(target, text, config_text(named, model, arguments.model_folder, read=True))
        if not read:
            terminal.say(f'{terminal.one_line(str(target))} was changed meanwhile: write crawl.start = "auto" into it.')
    download = "" if arguments.model_folder else f" The first start downloads {CATALOGUE[model].bytes / 1e9:.1f} GB."
    options = "" if arguments.config is None else f" --config {terminal.one_line(str(arguments.config))}"
    terminal.say(f"Start it with `{program()} run{options}`.{download}")
    terminal.say(
        "It begins to read by itself, newest pictures first."
        if read
        else "Nothing is read until someone with Manage Server gives /reindex start on the server."
    )
    return 0


def _environment(environ: Mapping[str, str], token_file: Path | None) -> dict[str, str]:
    """The environment, in which what was given as --token-file goes before any other token."""
    if token_file is None:
        return dict(environ)
    named = all_keys()["discord.token_file"].variable
    left = {name: value for name, value in environ.items() if name not in (TOKEN_VARIABLE, named)}
    return left if str(token_file) == "-" else {**left, named: str(token_file)}


def _check_model(name: str | None) -> None:
    if name is not None and name not in CATALOGUE:
        raise ConfigError(
            f"--model {terminal.one_line(name, 40)}: there is no such name{suggest(name, CATALOGUE)}; `afterimage model"
            " list` shows them"
        )


def _may_replace(paths: list[Path], *, force: bool, asks: bool) -> None:
    """Raises TellPerson where files are there that nobody allows to be replaced, ConfigError where one is a folder."""
    for path in paths:
        if path.is_dir():
            raise ConfigError(f"{path}: is a folder, but must be a file; name another with --config")
    there = [str(path) for path in paths if path.exists()]
    if not there or force:
        return
    names = terminal.one_line(" and ".join(there))
    if not asks:
        raise ConfigError(
            f"{names}: already there, and nothing was changed; --force replaces it (a former configuration is kept as"
            f" {paths[0].name}.old), --config names another place"
        )
    terminal.say(f"There is {names} already. Replace it? A former configuration is kept as {paths[0].name}.old.")
    if terminal.answer_to("Type yes to go on: ") != "yes":
        raise TellPerson("cli-nothing-changed")


def _token(base: Config, given: Path | None, folder: Path, *, asks: bool) -> Token:
    """Raises ConfigError where there is none, or what is given cannot be one."""
    if base.discord.token is not None:
        return Token(base.discord.token, given or base.discord.token_file)
    path = folder / DEFAULT_NAME
    if given is not None:
        return Token(checked_token(sys.stdin.readline(), "standard input"), path, new=True)
    if not asks:
        raise ConfigError(
            "setup: there is no token and nobody to ask; give --token-file FILE, or --token-file - to read it from"
            " standard input"
        )
    terminal.say(
        "You need a bot on https://discord.com/developers/applications: New Application, then Bot, then Reset Token."
    )
    try:
        return Token(checked_token(terminal.hidden_answer_to("Its token (not shown): "), "the token"), path, new=True)
    except EOFError:
        raise KeyboardInterrupt from None
    except getpass.GetPassWarning:
        raise ConfigError("setup: this terminal would show the token; give it as --token-file FILE") from None


def _complete(token: Secret, api_base: str, *, asks: bool) -> Bot:
    """The bot, once nothing is switched off that it needs. Raises DiscordRefused."""
    for left in reversed(range(MOST_TRIES if asks else 1)):
        with terminal.waiting("asking Discord who this is"):
            bot = asyncio.run(who(token, api_base))
        if not bot.missing:
            name = terminal.one_line(bot.name)
            terminal.say(f"This is {name}, application {bot.application_id}, in {bot.servers} servers so far.")
            return bot
        if not left:
            raise DiscordRefused("\n".join((*bot.missing, "Then give `afterimage setup` again; nothing was written.")))
        terminal.say("\n".join(bot.missing))
        terminal.answer_to("Press Enter when that is done: ")
    raise AssertionError("the last try returns or raises")


def _chosen_model(*, asks: bool) -> str:
    """Raises Stop where ten answers were no names."""
    best = suited_here()
    if not asks:
        return best
    terminal.say(table(best))
    for _ in range(MOST_TRIES):
        name = terminal.answer_to(f"Which one? [{best}]: ") or best
        if name in OFFERED:
            return name
        terminal.say(f"There is no {terminal.one_line(name, 40)}; names are {', '.join(OFFERED)}.")
    raise Stop("setup: no model was chosen; nothing was written. --model NAME chooses one.")


def _named(token_file: Path | None, folder: Path) -> str | None:
    """The token's file as a configuration in `folder` names it."""
    if token_file is None:
        return None
    whole, base = token_file.absolute(), folder.absolute()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)


def _write(target: Path, text: str, token: Token) -> None:
    files: list[NewFile] = [config_file(target, text)]
    if token.path is not None and token.new:
        files.insert(0, secret_file(token.path, token.secret))
    write_all(files)
    terminal.say(f"Written: {terminal.one_line(', '.join(str(file.path) for file in files))}")
    if token.path is not None and not token.new and close_to_others(token.path):
        terminal.say(f"{terminal.one_line(str(token.path))} can now be read by its owner alone.")
