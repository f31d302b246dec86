"""The configuration as text: the documented example file, and the values in force."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from bot.config.loader import all_keys
from bot.config.tables import TABLES, TOKEN_VARIABLE, Config
from bot.config.values import Key, allowed, written
from indexer.settings import Settings

_HEAD = f"""\
# Afterimage's configuration: every key with its default. Copy it to config.toml and change what you need; whatever you
# leave out keeps its default. A key that does not exist, or a value that does not fit, is an error.
#
# Each key can also be given in the environment, which goes before this file: AFTERIMAGE_<TABLE>_<KEY>, as in
# AFTERIMAGE_MODEL_NAME or AFTERIMAGE_DATA_DIR; lists with commas. Relative paths count from this file's folder.
#
# The token does not stand here: it comes from {TOKEN_VARIABLE}, or from the file that discord.token_file names.
# `afterimage check-config` shows what is in force and where it came from.
"""


def _table_text(table: str) -> str:
    """The first sentence of the table's dataclass."""
    kind: object = TABLES.get(table) or Settings.__dataclass_fields__[table].default_factory
    return (kind.__doc__ or "").strip().splitlines()[0]


def _lines(key: Key) -> Iterator[str]:
    yield from textwrap.wrap(
        key.about.text, width=118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
    yield f"# {key.variable}: {allowed(key)}; default {written(key.default)}"
    yield f"{key.name} = {written(key.default)}"


def example() -> str:
    """The text of config.example.toml: every key, its meaning, what it may be, its default."""
    lines = [_HEAD.rstrip()]
    table = ""
    for key in all_keys().values():
        if key.table != table:
            table = key.table
            lines += ["", "", f"# {_table_text(table)}", f"[{table}]"]
        lines += ["", *_lines(key)]
    return "\n".join(lines) + "\n"


def values_in_force(config: Config) -> list[tuple[str, str, str]]:
    """Each key, its value as the file would write it, and where it came from. The token is never shown."""
    tables = {table: getattr(config, table) for table in TABLES}
    rows = []
    for dotted, key in all_keys().items():
        owner = tables.get(key.table) or (getattr(config.settings, key.table) if key.table else config.settings)
        rows.append((dotted, written(getattr(owner, key.name)), config.origins.get(dotted, "default")))
    token = "<hidden>" if config.discord.token is not None else '""'
    return [*rows, ("discord.token", token, config.origins.get("discord.token", "not given"))]


def in_force(config: Config) -> str:
    """One line for each key: `table.key = value`, and where the value came from. The token is never shown."""
    rows = [(f"{key} = {value}", origin) for key, value, origin in values_in_force(config)]
    width = min(max(len(text) for text, _ in rows), 60)
    return "\n".join(f"{text:<{width}}  # {origin}" for text, origin in rows) + "\n"
