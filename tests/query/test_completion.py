"""What is suggested while a question is typed: the end is completed, and what stands before it stays."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import TellPerson
from indexer.query.completion import FILTERS, Unfinished, known_values, matching, unfinished
from indexer.query.grammar import Wish, parse

TEXTS = st.text(st.sampled_from("cat -\"«»„“”'\\:#@ in:from:color:has:\n"), max_size=40)
NAMES = st.text(min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", Unfinished("")),
        ("cat ", Unfinished("cat ")),
        ("cat fr", Unfinished("cat ", "", "fr")),
        ("cat from:", Unfinished("cat ", "from")),
        ("cat from:an", Unfinished("cat ", "from", "an")),
        ("cat from: ", Unfinished("cat ", "from")),
        ("cat from: an", Unfinished("cat ", "from", "an")),
        ('cat FROM:"Anna B', Unfinished("cat ", "from", "Anna B")),
        ('from: "Anna B', Unfinished("", "from", "Anna B")),
        ("-in:#me", Unfinished("", "in", "#me", minus=True)),
        ("cat -ha", Unfinished("cat ", "", "ha", minus=True)),
        ('"birthday party" co', Unfinished('"birthday party" ', "", "co")),
        ("min:abc in:x", Unfinished("min:abc ", "in", "x")),
        ('from:"Anna B"', None),
        ('"birthday par', None),
        ('cat " ', None),
        ('from: "', Unfinished("", "from")),
        (r"\in:me", None),
        ("cat -", None),
    ],
)
def test_the_end_of_a_text_is_what_is_being_typed(text: str, end: Unfinished | None) -> None:
    assert unfinished(text) == end


def test_a_word_becomes_a_filter_and_what_stands_before_it_stays() -> None:
    assert Unfinished("").with_filters() == [f"{name}:" for name in FILTERS]
    assert Unfinished("cat ", "", "co").with_filters() == ["cat color:", "cat count:"]
    assert Unfinished("", "", "colou").with_filters() == ["colour:"]
    assert Unfinished("cat ", "", "", minus=True).with_filters() == ["cat -in:", "cat -has:", "cat -tag:"]
    assert Unfinished("", "", "camera").with_filters() == []


def test_values_that_every_server_knows_are_found_by_how_they_begin() -> None:
    assert list(known_values("has", "s")) == ["spoiler", "sticker"]
    assert list(known_values("has", "t")) == ["text"]
    assert list(known_values("color", "gr")) == ["grey", "green", "gray", "grau", "grün", "gruen"]
    assert "grün" not in known_values("colour", "")
    assert not known_values("tag", "")


def test_names_that_begin_so_come_before_those_with_such_a_word() -> None:
    assert matching(["old talk", "talk", "Talking", "memes", "small-talk", "stalk"], "TALK") == [
        *("talk", "Talking", "old talk", "small-talk")
    ]


@given(TEXTS, NAMES)
def test_a_completed_text_means_what_stood_before_it_and_the_value(text: str, name: str) -> None:
    end = unfinished(text)
    if end is None or end.key not in ("", "in", "from"):
        return
    key = end.key or "from"
    mark = "#" if key == "in" else "@"
    completed = Unfinished(end.before, key, minus=end.minus and key == "in").with_value(f"{mark}{name}")
    if completed is None:
        return
    assert completed.startswith(end.before)
    with suppress(TellPerson):  # what stands before it need not be a question
        before, after = parse(end.before, 0), parse(completed, 0)
        assert _named(after)[: len(_named(before))] == _named(before)
        assert name in _named(after)
        assert (after.words, after.phrases, after.without) == (before.words, before.phrases, before.without)


def _named(wish: Wish) -> list[str]:
    return [found.name for found in (*wish.channels, *wish.not_channels, *wish.authors)]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("#memes", "in:#memes"),
        ("#old talk", 'in:"#old talk"'),
        ('#say "hi" now', 'in:«#say "hi" now»'),
        ('#a»b c"d', 'in:“#a»b c"d”'),
        ("#123456789012345678", None),  # it would be an id
        ("#two  spaces", None),
    ],
)
def test_a_name_is_written_so_that_the_grammar_reads_it(name: str, written: str | None) -> None:
    assert Unfinished("", "in").with_value(name) == written
