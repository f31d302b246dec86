"""What a tag may be, and how it is written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import TellPerson
from indexer.query.tag_names import MOST_CHARACTERS, MOST_TAGS, tag_name, tag_names


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Holiday", "holiday"),
        ("  #Summer   2024 ", "summer 2024"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("cafe\u0301", "café"),
        ("İstanbul", unicodedata.normalize("NFC", "i\u0307stanbul")),
        ("猫", "猫"),
        ("🏖\ufe0f", "🏖"),
        ("🏖", "🏖"),
        ("a-b_c.d'e&f+g/h!?:", "a-b_c.d'e&f+g/h!?:"),
    ],
)
def test_a_word_is_written_one_way(typed: str, stored: str) -> None:
    assert tag_name(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "#",
        "-a",
        "a,b",
        'a"b',
        "a\u200bb",
        "a\u3164",
        "\u2800",
        "\ufe0f",
        "a\u202eb",
        "a\x1b[31m",
        "a\ud800",
        "x" * (MOST_CHARACTERS + 1),
    ],
)
def test_what_cannot_be_a_tag_is_said(typed: str) -> None:
    with pytest.raises(TellPerson):
        tag_name(typed)


@given(st.text(max_size=60))
def test_what_was_written_once_is_never_written_anew(typed: str) -> None:
    try:
        name = tag_name(typed)
    except TellPerson:
        return
    assert tag_name(name) == name
    assert 0 < len(name) <= MOST_CHARACTERS
    assert unicodedata.is_normalized("NFC", name)


def test_several_are_each_once_and_no_more_than_a_picture_may_have() -> None:
    assert tag_names(["Red", "red", "blue"]) == ("red", "blue")
    with pytest.raises(TellPerson):
        tag_names([str(number) for number in range(MOST_TAGS + 1)])
