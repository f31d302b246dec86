"""Dockerfile, compose.yaml and .dockerignore, held to their promises as they are written: no engine is needed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # ships no types, and is read here only

from bot.cli import main
from bot.config.loader import Config, all_keys

ROOT = Path(__file__).resolve().parents[1]


def instructions() -> list[tuple[str, str]]:
    """(INSTRUCTION, rest) in order, continuation lines joined, comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert list(composed["services"]) == ["bot"]
    found: dict[str, Any] = composed["services"]["bot"]
    return found


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(at for at, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def test_it_is_built_in_two_stages_from_the_same_slim_image() -> None:
    froms = [rest for name, rest in instructions() if name == "FROM"]
    assert froms == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert ("ARG", "PYTHON_IMAGE=python:3.11-slim-bookworm") in instructions()


def test_the_bot_does_not_run_as_root_and_ends_on_sigterm() -> None:
    stage = final_stage()
    assert ("USER", "afterimage") in stage
    assert ("STOPSIGNAL", "SIGTERM") in stage
    assert ("ENTRYPOINT", '["afterimage"]') in stage
    assert ("CMD", '["run"]') in stage
    order = [name for name, _ in stage]
    assert order.index("USER") < order.index("ENTRYPOINT")


def test_there_is_one_volume_and_everything_that_is_written_goes_there() -> None:
    stage = final_stage()
    assert [rest for name, rest in stage if name == "VOLUME"] == ["/data"]
    environment = dict(part.split("=", 1) for name, rest in stage if name == "ENV" for part in shlex.split(rest))
    assert environment["AFTERIMAGE_DATA_DIR"] == "/data"
    assert environment["HF_HOME"].startswith("/data/")
    assert ("WORKDIR", "/data") in stage


def test_variables_of_ours_in_the_image_and_in_compose_exist(service: dict[str, Any]) -> None:
    known = {key.variable for key in all_keys().values()} | {"AFTERIMAGE_DISCORD_TOKEN"}
    text = (ROOT / "Dockerfile").read_text() + (ROOT / "compose.yaml").read_text()
    used = set(re.findall(r"\bAFTERIMAGE_[A-Z_]*[A-Z]\b", text))
    assert used <= known


def test_the_health_check_is_a_command_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    (check,) = [rest for name, rest in final_stage() if name == "HEALTHCHECK"]
    assert 'CMD ["afterimage", "health"]' in check
    assert "--start-period=" in check
    with pytest.raises(SystemExit) as caught:
        main(["health", "--help"])
    assert caught.value.code == 0
    capsys.readouterr()


def test_no_host_is_baked_in() -> None:
    for name in ("Dockerfile", "compose.yaml"):
        assert "://" not in (ROOT / name).read_text()
    assert ("ARG", 'TORCH_INDEX_URL=""') in instructions()


def test_what_is_copied_into_the_build_is_let_through_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_through = {line[1:] for line in lines if line.startswith("!")}
    copied: set[str] = set()
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            copied |= {Path(source).name for source in rest.split()[:-1]}
    assert copied == let_through
    assert not {"data", "config.toml", "token.txt", ".venv", ".git"} & let_through


def test_compose_locks_the_bot_in(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "ports" not in service
    assert service["volumes"] == ["data:/data"]


def test_compose_bounds_the_memory_and_the_documents_say_the_same(service: dict[str, Any]) -> None:
    bound = re.fullmatch(r"\$\{MEMORY_LIMIT:-(\d+)g\}", service["mem_limit"])
    assert bound is not None
    assert f"gives the container {bound[1]} GB" in (ROOT / "docs" / "container.md").read_text()
    assert f"{bound[1]} GB of memory" in (ROOT / "README.md").read_text()


def test_compose_gives_the_token_as_a_secret_file(service: dict[str, Any]) -> None:
    assert service["secrets"] == ["discord_token"]
    assert service["environment"] == {"AFTERIMAGE_DISCORD_TOKEN_FILE": "/run/secrets/discord_token"}


def test_compose_waits_longer_than_the_bot_needs_to_stop(service: dict[str, Any]) -> None:
    seconds = int(str(service["stop_grace_period"]).removesuffix("s"))
    assert seconds > Config().discord.shutdown_s
    assert service["init"] is True
