"""The documents speak of files, tests and decisions that exist."""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli import command_parser

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "sandbox/**/*.md")
    for page in ROOT.glob(pattern)
)
ADRS = sorted((ROOT / "docs/adr").glob("0*.md"))

# What people write, what the bot writes while it runs, and a library that is called as a file is.
NOT_IN_THE_TREE = {
    *("config.toml", "token.txt", "health.json", "control.json", "known-model.json", "manifest.json", "removals.json"),
    *("fleet.toml", "fleet-32.toml"),
    "discord.py",
}
WRITTEN_LATER = (".venv", "data/", "demo/")  # by make and by the bot
SUFFIXES = {".py", ".md", ".toml", ".ftl", ".sql", ".yaml", ".png", ".txt", ".json"}

# `…` is code, ](…) the target of a link.
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")


def missing(document: str, folder: Path) -> Iterator[str]:
    """What `document`, a page that stands in `folder`, names and the tree does not hold.

    A word in backticks names a path where it has a slash or a file's suffix; `file::test` names a test function too,
    and `::test` one of the file before it. Links count from the page's folder, the others from the root.
    """
    for link in _LINK.findall(document):
        if "://" not in link and not (folder / link).exists():
            yield link
    file = ""
    for code in _CODE.findall(document):
        for word in code.split():
            path, _, test = word.rstrip(",;").partition("::")
            file = path or file
            if not _names_a_path(file):
                continue
            if not (ROOT / file).exists():
                yield file
            elif test and not re.search(rf"def {re.escape(test)}\(", (ROOT / file).read_text("utf-8")):
                yield f"{file}::{test}"


def _names_a_path(word: str) -> bool:
    if not re.fullmatch(r"[\w.][\w./-]*", word) or word in NOT_IN_THE_TREE or word.startswith(WRITTEN_LATER):
        return False
    return Path(word).suffix in SUFFIXES or (ROOT / word.split("/")[0]).is_dir()


# A command ends at a comment, a pipe, a quotation mark, or where its code ends.
_AFTERIMAGE = re.compile(r"(?<![\w-])afterimage((?: +[^\s`|#\"'>&]+)+)")
_MAKE = re.compile(r"(?<![\w-])(?<!afterimage eval )make((?: +[^\s`|#;&]+)+)")
_MODULE = re.compile(r"python -m ([\w.]+)")
_PLACEHOLDERS = ("COMMAND", "…")
_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def code_in(document: str) -> Iterator[str]:
    """The code of a page: what stands in backticks, and its indented and fenced lines."""
    fenced = False
    for line in document.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line
        else:
            yield from _CODE.findall(line)


def wrong_commands(document: str) -> Iterator[str]:
    """Commands of ours in a page's code that do not exist, or do not have such an option."""
    parser = command_parser()
    for code in code_in(document):
        for words in _AFTERIMAGE.findall(code):
            if not words.split()[0].startswith(_PLACEHOLDERS) and not _is_command(words.split(), parser):
                yield f"afterimage{words}"
        for words in _MAKE.findall(code):
            if not _is_target(words.split()[0]):
                yield f"make{words}"
        for module in _MODULE.findall(code):
            if importlib.util.find_spec(module) is None:
                yield f"python -m {module}"


def _is_command(words: list[str], parser: argparse.ArgumentParser) -> bool:
    """Whether `parser` has the command that these words begin with, and the command these options."""
    lists = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if lists and words and not words[0].startswith("-"):
        return words[0] in lists[0] and _is_command(words[1:], lists[0][words[0]])
    options = [word for word in words if word.startswith("--") and word != "--"]
    return all(option in parser._option_string_actions for option in options)


def _is_target(word: str) -> bool:
    return word in _TARGETS or word.startswith((".venv", "bench-"))


def test_the_documents_of_the_front_door_are_among_those_looked_at() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/security.md"} <= set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_and_test_that_a_document_names_exists(name: str) -> None:
    page = ROOT / name
    assert list(missing(page.read_text("utf-8"), page.parent)) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("see `indexer/vectors/tail.py`", "indexer/vectors/tail.py"),
        ("run `python indexer/nothing.py --now`", "indexer/nothing.py"),
        ("the room `indexer/storage`", "indexer/storage"),
        ("`tests/test_docs.py::test_that_nobody_wrote`", "tests/test_docs.py::test_that_nobody_wrote"),
        ("`tests/test_docs.py`, `::test_that_nobody_wrote`", "tests/test_docs.py::test_that_nobody_wrote"),
        ("[the map](docs/no-map.md)", "docs/no-map.md"),
        ("[a part](docs/no-map.md#part)", "docs/no-map.md"),
    ],
)
def test_what_does_not_exist_is_found(text: str, wrong: str) -> None:
    assert list(missing(text, ROOT)) == [wrong]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_that_a_document_names_exists(name: str) -> None:
    assert list(wrong_commands((ROOT / name).read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("give `afterimage serch`", ["afterimage serch"]),
        ("    .venv/bin/afterimage search --pictures cat.png", ["afterimage search --pictures"]),
        ("`afterimage --verison` says it", ["afterimage --verison"]),
        ("```\nafterimage model lst\n```", ["afterimage model lst"]),
        ("`make dmeo`, then `make demo LIGHT=1` or `make bench-NAME`", ["make dmeo"]),
        ("    python -m sandbox.nothing --port 1", ["python -m sandbox.nothing"]),
        ("`afterimage status --json | head`, `afterimage model list`, `afterimage --version`", []),
        ("people make mistakes, and afterimage is a word", []),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, wrong: list[str]) -> None:
    assert [command.split(" cat")[0] for command in wrong_commands(text)] == wrong


def test_every_page_of_the_documents_stands_in_the_contents_of_the_site() -> None:
    contents = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    listed = set(re.findall(r"^ +- (\S+\.md)$", contents, re.MULTILINE))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert listed == {page for page in pages if not page.startswith("adr/0")}


def test_every_dependency_has_its_line_of_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[><=;\[ ]", requirement)[0] for requirement in wanted}
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.MULTILINE)
    assert names - {name for row in rows for name in row.split(", ")} == set()


def test_each_decision_has_a_number_of_its_own_a_date_and_a_status() -> None:
    numbers = [int(path.name[:4]) for path in ADRS]
    assert numbers == list(range(1, len(ADRS) + 1))
    for path in ADRS:
        title, empty, status = path.read_text("utf-8").splitlines()[:3]
        assert title.startswith(f"# {int(path.name[:4])}. "), path.name
        assert empty == ""
        assert re.fullmatch(r"Date: \d{4}-\d\d-\d\d · Status: (accepted|superseded by ADR \d+)", status), path.name


def test_the_index_of_decisions_names_each_once() -> None:
    index = (ROOT / "docs/adr/README.md").read_text("utf-8")
    assert re.findall(r"^\| \[\d+\]\((.+?)\) \|", index, re.MULTILINE) == [path.name for path in ADRS]


def test_the_newest_release_in_the_changelog_is_the_version_that_is_built() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    released = [heading.split(" - ") for heading in headings if heading != "Unreleased"]
    assert released[0][0] == project["version"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for _, date in released)


def test_the_changelog_has_its_sections_in_order_and_says_nothing_twice() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for release in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        sections = re.findall(r"^### (.+)$", release, re.MULTILINE)
        order = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
        assert sections == [name for name in order if name in sections]
        changes = re.findall(r"^- (.+)$", release, re.MULTILINE)
        assert sorted(changes) == sorted(set(changes))
