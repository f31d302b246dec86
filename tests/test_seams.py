"""Seams and rules that no import contract and no linter sees."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What of the open service leads past its methods.
INNER = {"db", "reader", "transaction"}


def inner_parts_used(source: str) -> set[tuple[int, str]]:
    """Line and name of each attribute that is one of the service's inner parts."""
    return {
        (node.lineno, node.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in INNER
    }


def test_the_bot_asks_the_service_and_never_its_database() -> None:
    found = {
        str(path.relative_to(ROOT)): used
        for path in sorted((ROOT / "bot").rglob("*.py"))
        if (used := inner_parts_used(path.read_text("utf-8")))
    }
    assert found == {}


def test_going_round_the_service_is_seen() -> None:
    assert inner_parts_used("async with service.db.reader() as connection: pass") == {(1, "db"), (1, "reader")}


# The rule that is switched off, and why: `noqa: S603 -- the reason`, `type: ignore[arg-type]  # the reason`.
SWITCHED_OFF = re.compile(r"noqa|type: ignore")
WITH_REASON = re.compile(r"noqa: [A-Z]+\d+(, ?[A-Z]+\d+)* -- \S|type: ignore\[[a-z, -]+\]  # \S")


def without_reason(source: str) -> list[int]:
    """The lines that switch a rule off and do not say why."""
    if not SWITCHED_OFF.search(source):  # to look at every word of every file takes 2 s
        return []
    return [
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and SWITCHED_OFF.search(token.string) and not WITH_REASON.search(token.string)
    ]


def test_who_switches_a_rule_off_says_why() -> None:
    folders = ("bot", "indexer", "migrations", "sandbox", "benchmarks", "tests")
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert {
        str(path.relative_to(ROOT)): found for path in paths if (found := without_reason(path.read_text("utf-8")))
    } == {}


@pytest.mark.parametrize("comment", ["noqa", "noqa: S603", "noqa: S603 --", "type: ignore", "type: ignore[arg-type]"])
def test_a_rule_that_is_switched_off_without_a_word_is_seen(comment: str) -> None:
    assert without_reason(f"first = 1\nsecond = 2  # {comment}\n") == [2]
