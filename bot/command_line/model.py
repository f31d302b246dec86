"""`afterimage model …`: which models there are, and whether the one that is chosen is here, whole, and fast enough."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import asdict, replace

from bot.command_line.model_export import written_export
from bot.command_line.model_trial import Trial, measured, read_trials, write_trial
from bot.config.loader import load
from bot.config.models import by_name
from bot.config.tables import Config
from bot.observability import terminal
from indexer.encode.catalogue import CATALOGUE, ListedModel
from indexer.encode.download import download as fetch
from indexer.errors import ConfigError
from indexer.settings import ModelSettings


def show_list(arguments: argparse.Namespace) -> int:
    """The catalogue, with what a trial here has measured. Raises ConfigError."""
    config = load(arguments.config, os.environ)
    trials = read_trials(config.settings.data_dir)
    chosen = (config.settings.model.name, config.settings.model.pretrained)
    if arguments.json:
        rows = []
        for model in CATALOGUE.values():
            trial = trials.get(_key(by_name(config.settings.model, model.name)))
            rows.append({**asdict(model), "chosen": _is(model, chosen), "trial": asdict(trial) if trial else None})
        terminal.say_json({"models": rows})
    else:
        terminal.say(_table(config, trials, chosen))
    return 0


def download(arguments: argparse.Namespace) -> int:
    """Raises NotDownloaded, ConfigError."""
    model = _asked(load(arguments.config, os.environ), arguments.name)
    with terminal.waiting(f"looking for {model.name}") as wait:
        found = asyncio.run(fetch(model, wait.on))
    terminal.say(f"{model.name} ({model.pretrained}) is here, and every file is what the hub has:")
    terminal.say("\n".join(f"  {path.stat().st_size:>13,} bytes  {path}" for path in found.files))
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """0 where every file of the model is here and right, else 1. Raises NotDownloaded, ConfigError."""
    model = _asked(load(arguments.config, os.environ), arguments.name)
    with terminal.waiting(f"reading the files of {model.name}") as wait:
        found = asyncio.run(fetch(model, wait.on, offline=True))
    if arguments.json:
        terminal.say_json({"files": [str(path) for path in found.files], "damaged": list(found.damaged)})
    else:
        terminal.say("\n".join(found.damaged or [f"{len(found.files)} files of {model.name} are right"]))
    return 1 if found.damaged else 0


def trial(arguments: argparse.Namespace) -> int:
    """Raises ModelUnavailable, ConfigError."""
    config = load(arguments.config, os.environ)
    model = _asked(config, arguments.name)
    with terminal.waiting(f"loading {model.name}") as wait:
        found = asyncio.run(measured(config.settings, model, wait.on))
    write_trial(config.settings.data_dir, _key(model), found)
    if arguments.json:
        terminal.say_json(asdict(found))
    else:
        terminal.say(_trial_text(model, found))
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Raises ModelUnavailable, ConfigError."""
    config = load(arguments.config, os.environ)
    model = _asked(config, arguments.name)
    with terminal.waiting(f"exporting {model.name}") as wait:
        manifest = written_export(config.settings, model, arguments.to, wait.on)
    size_mb = sum(length for _, length in manifest.files.values()) / 1e6
    terminal.say(f"{terminal.one_line(str(arguments.to))} holds {model.name} for OpenVINO ({size_mb:,.0f} MB).")
    terminal.say(f'To use it, set model.folder = "{terminal.one_line(str(arguments.to.absolute()))}"')
    return 0


def _asked(config: Config, name: str | None) -> ModelSettings:
    """The model of that name: of the catalogue, or ARCHITECTURE:TAG as open_clip names them; the configured one where
    none is given."""
    model = config.settings.model
    if name is None:
        return model
    if name in CATALOGUE:
        return by_name(model, name)
    architecture, colon, tag = name.partition(":")
    if not (architecture and colon and tag):
        raise ConfigError(
            f"{name}: the catalogue has no such model (it has {', '.join(CATALOGUE)}); open_clip's own are named"
            " ARCHITECTURE:TAG"
        )
    return replace(model, name=architecture, pretrained=tag, config_file=None, resize_mode="auto", folder=None)


def _key(model: ModelSettings) -> str:
    return f"{model.name} {model.pretrained}"


def _is(model: ListedModel, chosen: tuple[str, str]) -> bool:
    return model.architecture == chosen[0] and (not model.tag or model.tag == chosen[1])


def _table(config: Config, trials: dict[str, Trial], chosen: tuple[str, str]) -> str:
    lines = []
    for model in CATALOGUE.values():
        mark = "*" if _is(model, chosen) else " "
        tag = f" ({model.tag})" if model.tag else ""
        lines.append(f"{mark} {model.name:<8} {model.architecture}{tag}, {model.licence}: {model.good_for}")
        size = f"{model.bytes / 1e6:,.0f} MB"
        facts = f"vectors of {model.dimension}, input {model.input_size} pixels, {size}"
        if model.recall is not None:
            facts += f", COCO text → image recall@1 {model.recall:g} % ({model.source})"
        lines.append(f"           {facts}")
        trial = trials.get(_key(by_name(config.settings.model, model.name)))
        lines.append(f"           here: {_measured_text(trial)}")
    lines.append("")
    lines.append('* is configured. Choose one with model.name, as in model.name = "quality"; another model reads every')
    lines.append("picture anew, and the one before answers until it has.")
    return "\n".join(lines)


def _measured_text(trial: Trial | None) -> str:
    if trial is None:
        return "not measured; `afterimage model trial NAME` does"
    return (
        f"{trial.pictures_per_s:,.1f} pictures/s, {trial.text_ms:,.1f} ms a text, loaded in {trial.load_s:,.1f} s"
        f" ({trial.runs})"
    )


def _trial_text(model: ModelSettings, trial: Trial) -> str:
    return (
        f"{terminal.one_line(model.name)}: {_measured_text(trial)}\n"
        f"at that rate 10,000 pictures take {10_000 / trial.pictures_per_s / 60:,.1f} minutes, where downloads and"
        " decoding keep up"
    )
