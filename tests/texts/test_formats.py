"""Sizes and decimals as each language writes them."""

from __future__ import annotations

from bot.texts import Language
from bot.texts.formats import decimal, size_text


def test_sizes_are_spelt_as_disks_are_sold() -> None:
    sizes = (0, 999, 12_000, 3_400_000, 5_000_000_000, 10**16)
    english = ["0 B", "999 B", "12 KB", "3.4 MB", "5.0 GB", "10000.0 TB"]
    assert [size_text(size, Language.ENGLISH) for size in sizes] == english
    assert [size_text(size, Language.GERMAN) for size in sizes] == [text.replace(".", ",") for text in english]


def test_decimals_have_the_languages_sign() -> None:
    assert (decimal(0.926, 2, Language.ENGLISH), decimal(0.926, 2, Language.GERMAN)) == ("0.93", "0,93")
