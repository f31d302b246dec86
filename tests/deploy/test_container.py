"""Dockerfile, compose.yaml and .dockerignore, held to their promises as they are written: no engine is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # ships no types, and is read here only

from bot.cli import main
from bot.config.loader import all_keys
from tests.deploy.dockerfile import final_environment, final_stage, instructions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    found: dict[str, Any] = composed["services"]["bot"]
    return found


def test_it_is_built_in_two_stages_from_the_same_slim_image() -> None:
    froms = [rest for name, rest in instructions() if name == "FROM"]
    assert froms == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert ("ARG", "PYTHON_IMAGE=python:3.11-slim-bookworm") in instructions()


def test_the_bot_does_not_run_as_root_and_ends_on_sigterm() -> None:
    stage = final_stage()
    assert ("USER", "10001:10001") in stage
    assert ("STOPSIGNAL", "SIGTERM") in stage
    assert ("ENTRYPOINT", '["afterimage"]') in stage
    assert ("CMD", '["run"]') in stage
    order = [name for name, _ in stage]
    assert order.index("USER") < order.index("ENTRYPOINT")


def test_there_is_one_volume_and_everything_that_is_written_goes_there() -> None:
    stage = final_stage()
    assert [rest for name, rest in stage if name == "VOLUME"] == ["/data"]
    environment = final_environment()
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


def test_every_container_is_bounded_and_holds_no_rights() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        assert service["mem_limit"], name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("profiles", []) == ([] if name == "bot" else ["monitoring"])
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / source).is_dir(), volume


def test_a_linter_that_knows_dockerfiles_finds_nothing() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    if not linter.exists():
        pytest.skip("hadolint is packed for Linux on x86-64")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_without_torch_is_made_of_the_light_requirements() -> None:
    assert ("ARG", "WITH_TORCH=yes") in instructions()
    (step,) = [rest for name, rest in instructions() if name == "RUN" and "WITH_TORCH" in rest]
    assert "cp requirements-light.txt dependencies.txt" in step


def dependencies(folder: Path, **arguments: str) -> subprocess.CompletedProcess[str]:
    """Carries out the part of the Dockerfile that writes what is installed, and nothing behind it."""
    (step,) = [rest for name, rest in instructions() if name == "RUN" and "dependencies.txt" in rest]
    head, written, _ = step.partition('"$EXTRAS" >> dependencies.txt')
    for name in ("pyproject.toml", "requirements-light.txt"):
        shutil.copy(ROOT / name, folder)
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **arguments}
    return subprocess.run(
        ["/bin/sh", "-c", head + written],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="the steps of an image are Linux's")
def test_an_image_has_the_extras_that_are_named_and_no_others(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    light = (ROOT / "requirements-light.txt").read_text().split("\n")
    for torch, base in (("no", light), ("yes", project["dependencies"])):
        for names in ("", "ocr,heic", "heic ocr"):
            assert dependencies(tmp_path, WITH_TORCH=torch, EXTRAS=names).returncode == 0
            named = [name for name in re.split("[, ]", names) if name]
            extras = [line for name in named for line in project["optional-dependencies"][name]]
            found = (tmp_path / "dependencies.txt").read_text().split("\n")
            assert [line for line in found if line] == [line for line in [*base, *extras] if line]
    refused = dependencies(tmp_path, WITH_TORCH="no", EXTRAS="heic,ocrr")
    assert refused.returncode != 0
    assert "EXTRAS: there is no ocrr" in refused.stderr


def test_every_extra_that_the_documents_name_is_one(service: dict[str, Any]) -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    page = (ROOT / "docs" / "container.md").read_text()
    shown = page.partition("| extra | for |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", shown, re.MULTILINE)) == known - {"dev", "docs", "bench"}
    assert service["build"]["args"]["EXTRAS"] == "${EXTRAS:-}"


def test_compose_bounds_the_memory_and_the_documents_say_the_same(service: dict[str, Any]) -> None:
    bound = re.fullmatch(r"\$\{MEMORY_LIMIT:-(\d+)g\}", service["mem_limit"])
    assert bound is not None
    assert f"gives the container {bound[1]} GB" in (ROOT / "docs" / "container.md").read_text()
    assert f"{bound[1]} GB of memory" in (ROOT / "README.md").read_text()


def test_compose_gives_the_token_as_a_secret_file(service: dict[str, Any]) -> None:
    assert service["secrets"] == ["discord_token"]
    assert service["environment"]["AFTERIMAGE_DISCORD_TOKEN_FILE"] == "/run/secrets/discord_token"


def test_compose_waits_longer_than_the_bot_needs_to_stop(service: dict[str, Any]) -> None:
    grace_s = int(str(service["stop_grace_period"]).removesuffix("s"))
    drain_s = int(final_environment()["AFTERIMAGE_DISCORD_SHUTDOWN_S"])
    assert drain_s < 10 < grace_s  # ten seconds is what an engine waits that was told nothing
    assert service["init"] is True
