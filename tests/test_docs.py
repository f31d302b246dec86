"""The documents speak of files, tests and decisions that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "sandbox/**/*.md")
    for page in ROOT.glob(pattern)
)
ADRS = sorted((ROOT / "docs/adr").glob("0*.md"))

# What people write, what the bot writes while it runs, and a library that is called as a file is.
NOT_IN_THE_TREE = {"config.toml", "token.txt", "health.json", "control.json", "known-model.json", "discord.py"}
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


def test_the_changelog_has_its_sections_in_order_and_says_nothing_twice() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for release in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        sections = re.findall(r"^### (.+)$", release, re.MULTILINE)
        order = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
        assert sections == [name for name in order if name in sections]
        changes = re.findall(r"^- (.+)$", release, re.MULTILINE)
        assert sorted(changes) == sorted(set(changes))
