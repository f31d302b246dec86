"""The configuration: one TOML file, environment variables that override it, and the token, which neither contains.

An environment variable `AFTERIMAGE_<TABLE>_<KEY>` overrides the file, and the file overrides the default. An unknown
key or a value out of range is a ConfigError: a typing mistake never silently selects a default.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.config.models import resolved
from bot.config.tables import TABLES, TOKEN_VARIABLE, Config, DiscordSettings
from bot.config.values import (
    PREFIX,
    Key,
    Secret,
    build,
    convert,
    from_text,
    is_origin,
    keys_of,
    listen_address,
    shown,
    suggest,
)
from indexer.errors import ConfigError
from indexer.settings import FleetSettings, RaySettings, Settings

CONFIG_VARIABLE = PREFIX + "CONFIG"
DEFAULT_FILE = Path("config.toml")

_TOKEN_HELP = (
    f"put the token alone into a file that only the bot's user can read and name it in discord.token_file, or give it"
    f" in the environment as {TOKEN_VARIABLE}"
)


def all_keys() -> dict[str, Key]:
    """Every key by its dotted name, in the order of the example file."""
    found = list(keys_of(Settings))
    for table, settings in TABLES.items():
        found += keys_of(settings, table)
    return {key.dotted: key for key in found}


def _find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is None and CONFIG_VARIABLE in environ:
        path = Path(environ[CONFIG_VARIABLE])
    if path is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; copy config.example.toml there, or leave out --config")
    return path


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; check its owner and permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}; texts need quotes, tables square brackets") from error


def _flat(path: Path, parsed: Mapping[str, Any], keys: Mapping[str, Key]) -> dict[str, Any]:
    """The file's values by dotted name. Raises ConfigError for a table or key that does not exist."""
    tables = {key.table for key in keys.values()} - {""}
    flat: dict[str, Any] = {}
    for name, value in parsed.items():
        if name in tables:
            if not isinstance(value, dict):
                raise ConfigError(
                    f"{path}: {name} is {shown(value)}, but must be a table: write [{name}] above its keys"
                )
            flat |= {f"{name}.{inner}": inner_value for inner, inner_value in value.items()}
        elif isinstance(value, dict):
            raise ConfigError(
                f"{path}: [{name}] is no table of Afterimage{suggest(name, tables)};"
                f" tables are {', '.join(sorted(tables))}"
            )
        else:
            flat[name] = value
    for dotted in flat:
        if dotted in ("discord.token", "token"):
            raise ConfigError(f"{path}: the token does not belong into this file: {_TOKEN_HELP}")
        if dotted not in keys:
            table, _, name = dotted.rpartition(".")
            siblings = [key.name for key in keys.values() if key.table == table]
            place = f"[{table}]" if table else "the top of the file (above the first table)"
            raise ConfigError(
                f"{path}: {dotted} = {shown(flat[dotted])}: there is no key {name} in {place}"
                f"{suggest(name, siblings)}; keys are {', '.join(siblings)}"
            )
    return flat


def _overrides(environ: Mapping[str, str], keys: Mapping[str, Key]) -> tuple[dict[str, str], list[str]]:
    """The environment's values by dotted name, and warnings of variables that set nothing and resemble no key.

    Raises ConfigError for an AFTERIMAGE_ variable that was meant to set something and does not.
    """
    by_variable = {key.variable: key.dotted for key in keys.values()}
    tables = tuple(f"{PREFIX}{key.table.upper()}_" for key in keys.values() if key.table)
    overrides: dict[str, str] = {}
    warnings: list[str] = []
    for variable, text in environ.items():
        if variable in by_variable:
            overrides[by_variable[variable]] = text
        elif variable.startswith(PREFIX) and variable not in (CONFIG_VARIABLE, TOKEN_VARIABLE):
            suggestion = suggest(variable, by_variable, 0.8)  # all of them have the same beginning
            message = (
                f"{variable}: this environment variable sets nothing{suggestion};"
                f" variables are {PREFIX}<TABLE>_<KEY>, as in {keys['model.name'].variable}"
            )
            if suggestion or variable.startswith(tables):
                raise ConfigError(message)
            warnings.append(message)
    return overrides, warnings


def checked_token(token: str, origin: str) -> Secret:
    """Raises ConfigError, which names `origin` and never the token, where this is no bot's token."""
    token = token.strip()
    if not token:
        raise ConfigError(f"{origin}: holds no token; {_TOKEN_HELP}")
    if not token.isascii() or any(character.isspace() for character in token):
        raise ConfigError(
            f"{origin}: does not hold a token alone ({len(token)} characters, some of which no token has);"
            " paste the token from the Bot page of your application, without `Bot ` or quotes"
        )
    if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token):
        raise ConfigError(
            f"{origin}: does not hold a bot's token, which is three parts with dots between them, but {_likely(token)};"
            " copy the token from the Bot page of your application (Reset Token makes a new one)"
        )
    return Secret(token)


def _likely(text: str) -> str:
    """A value that somebody may have taken for a token, judged by its shape."""
    if text.isdecimal():
        return "an application's id"
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return "an application's public key"
    return "an application's client secret" if re.fullmatch(r"[\w-]{32}", text) else "something else"


def _read_token(discord: DiscordSettings, environ: Mapping[str, str]) -> tuple[Secret | None, str, list[str]]:
    """The token, where it came from, and warnings."""
    if environ.get(TOKEN_VARIABLE):  # compose passes an empty value for a variable that nobody set
        return checked_token(environ[TOKEN_VARIABLE], TOKEN_VARIABLE), TOKEN_VARIABLE, []
    path = discord.token_file
    if path is None:
        return None, "not given", []
    try:
        token, mode = path.read_text("utf-8"), path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"discord.token_file: {shown(str(path))} cannot be read ({reason});"
            f" it names a file, not the token itself: {_TOKEN_HELP}"
        ) from None
    warnings = []
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not is_mounted_secret(path):
        warnings.append(f"{path} can be read by others on this machine (mode {mode & 0o777:o}): chmod 600 {path}")
    return checked_token(token, str(path)), str(path), warnings


def is_mounted_secret(path: Path) -> bool:
    """Whether a container engine or systemd mounted the file: they set its mode, and keep others out."""
    return any(path.resolve().is_relative_to(folder) for folder in ("/run/secrets", "/run/credentials"))


def _check_cluster(cluster: RaySettings, origins: Mapping[str, str]) -> None:
    """Raises ConfigError as `_check_together`."""
    if cluster.min_replicas > cluster.max_replicas:
        raise ConfigError(
            f"{origins['ray.min_replicas']}: ray.min_replicas is {cluster.min_replicas}, but must not be more than"
            f" ray.max_replicas, which is {cluster.max_replicas}"
        )
    if not cluster.cores and not cluster.gpus:
        raise ConfigError(
            f"{origins['ray.cores']}: ray.cores and ray.gpus are both 0, but an encoder takes some of one"
        )
    if cluster.address != "auto" and not re.fullmatch(r"(ray://)?(\[[0-9a-f:.]+\]|[\w.-]+):\d{1,5}", cluster.address):
        raise ConfigError(
            f"{origins['ray.address']}: ray.address is {shown(cluster.address)}, but must be auto, a host and port as"
            " 10.0.0.5:6379, or ray:// before them as ray://127.0.0.1:10001"
        )


def _check_fleet(fleet: FleetSettings, data_dir: Path, origins: Mapping[str, str]) -> None:
    """Raises ConfigError as `_check_together`."""
    if not fleet.storage:
        return
    path = fleet.storage.removeprefix("file://")
    if "://" not in path and (not Path(path).is_absolute() or Path(path).resolve().is_relative_to(data_dir.resolve())):
        raise ConfigError(
            f"{origins['fleet.storage']}: fleet.storage is {shown(fleet.storage)}, but must be an address such as"
            " s3://bucket/afterimage, or an absolute path that does not lie in data_dir: what it keeps is there for"
            " the day that folder is lost"
        )
    if 0 < fleet.lease_s < 2:
        raise ConfigError(
            f"{origins['fleet.lease_s']}: fleet.lease_s is {fleet.lease_s:g}, but a storage needs time to answer:"
            " give it 2 seconds or more, 30 is usual; 0: no lease"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}", fleet.name):
        raise ConfigError(
            f"{origins['fleet.name']}: fleet.name is {shown(fleet.name)}, but where fleet.storage is set it must name"
            " this data folder, with at most 40 letters, digits and -"
        )


def _check_together(config: Config) -> None:
    """Raises ConfigError where two values do not fit together, or where a text is not what its key needs."""
    search = config.settings.search
    if search.default_count > search.max_count:
        raise ConfigError(
            f"{config.origins['search.default_count']}: search.default_count is {search.default_count}, but must not be"
            f" more than search.max_count, which is {search.max_count}"
        )
    _check_cluster(config.settings.ray, config.origins)
    _check_fleet(config.settings.fleet, config.settings.data_dir, config.origins)
    base = urlsplit(config.discord.api_base)
    loopback = base.hostname in ("127.0.0.1", "::1", "localhost")
    if not (base.hostname and (base.scheme == "https" or (base.scheme == "http" and loopback))):
        raise ConfigError(
            f"{config.origins['discord.api_base']}: discord.api_base is {shown(config.discord.api_base)}, but must be"
            " an https address (http is taken on loopback only), as in https://discord.com/api/v10"
        )
    try:
        listen_address(config.web.listen or "127.0.0.1:0")
    except ValueError:
        raise ConfigError(
            f"{config.origins['web.listen']}: web.listen is {shown(config.web.listen)}, but must be an address and a"
            " port, as in 127.0.0.1:8642 or [::1]:8642"
        ) from None
    for origin in config.web.origins:
        if not is_origin(origin):
            raise ConfigError(
                f"{config.origins['web.origins']}: web.origins has {shown(origin)}, but must name origins as a browser"
                " does, like https://tools.example.org: a scheme, a host, perhaps a port, and nothing behind"
            )
    if config.web.archives is not None:
        archives, data_dir = config.web.archives.resolve(), config.settings.data_dir.resolve()
        if archives.is_relative_to(data_dir) or data_dir.is_relative_to(archives):
            raise ConfigError(
                f"{config.origins['web.archives']}: web.archives is {archives} and data_dir is {data_dir}, but neither"
                " may lie in the other: what is in the folder for archives can be looked through over HTTP. Name a"
                " folder beside the data folder"
            )


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads the configuration in force: defaults, then the file at `path`, then the environment.

    `path` None: AFTERIMAGE_CONFIG, else ./config.toml if it exists. A relative path in the file is relative to the
    file's folder; a relative path in the environment is relative to the working folder. Raises ConfigError for anything
    unknown, out of range or unreadable. No message ever contains a token.
    """
    return _composed(_find_file(path, environ), environ)


def without_file(environ: Mapping[str, str]) -> Config:
    """The configuration of defaults and environment alone, whatever files there are. Raises ConfigError as `load`."""
    return _composed(None, environ)


def _composed(path: Path | None, environ: Mapping[str, str]) -> Config:
    keys = all_keys()
    values: dict[str, Any] = {}
    origins = dict.fromkeys(keys, "default")
    if path is not None:
        for dotted, value in _flat(path, _parse(path), keys).items():
            values[dotted] = convert(keys[dotted], value, str(path), path.parent)
            origins[dotted] = str(path)
    overrides, strange = _overrides(environ, keys)
    for dotted, text in overrides.items():
        key = keys[dotted]
        values[dotted] = convert(key, from_text(key, text), key.variable, Path())
        origins[dotted] = key.variable
    tables = {table: build(settings, values, table) for table, settings in TABLES.items()}
    token, origin, warnings = _read_token(tables["discord"], environ)
    tables["discord"] = replace(tables["discord"], token=token)
    origins["discord.token"] = origin
    settings: Settings = build(Settings, values)
    settings = replace(settings, model=resolved(settings.model, origins))
    config = Config(settings=settings, path=path, origins=origins, warnings=(*strange, *warnings), **tables)
    _check_together(config)
    return config
