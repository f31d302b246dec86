"""Seams that an import contract cannot see."""

from __future__ import annotations

import ast
from pathlib import Path

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
