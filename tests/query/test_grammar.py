"""One query language for bot and command line."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import TellPerson
from indexer.query.date_parser import parse_date
from indexer.query.grammar import MAX_CHARACTERS, Reference, Wish, parse
from indexer.records.exif import ExifFilter, Near, Position
from indexer.records.messages import PlaceFlag
from tests.words import english, german

NOW = round(datetime(2024, 6, 15, 12, 30, tzinfo=UTC).timestamp() * 1000)


def ms(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0) -> int:
    return round(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def test_plain_words_are_what_to_look_for() -> None:
    assert parse("  cat   in the rain ", NOW) == Wish(words="cat in the rain")


def test_a_minus_excludes_a_word_or_a_phrase() -> None:
    wish = parse('cat -dog -"hot dog" –parrot', NOW)
    assert (wish.words, wish.without) == ("cat", ("dog", "hot dog", "parrot"))


def test_a_hyphen_inside_a_word_or_alone_excludes_nothing() -> None:
    assert parse("spider-man - the movie --", NOW) == Wish(words="spider-man the movie")


def test_words_in_quotes_must_be_said_and_are_looked_for_as_well() -> None:
    for text in ('cat "birthday party"', "cat “birthday party”", "cat „birthday party“", 'cat "birthday  party'):
        assert parse(text, NOW) == Wish(words="cat birthday party", phrases=("birthday party",)), text


def test_a_backslash_takes_a_words_meaning_away() -> None:
    assert parse(r"\-5 degrees \in:doors", NOW) == Wish(words="-5 degrees in:doors")


def test_all_filters_at_once() -> None:
    wish = parse(
        "cat in:#memes in:<#123456789012345678> -in:spam from:@anna from:<@!234567890123456789> after:2024-05-01"
        ' before:"2 days ago" has:gif -has:spoiler count:12 min:0,8 weight:70% diverse:0.5',
        NOW,
    )
    assert wish == Wish(
        words="cat",
        channels=(Reference(None, "memes"), Reference(123456789012345678, "")),
        not_channels=(Reference(None, "spam"),),
        authors=(Reference(None, "anna"), Reference(234567890123456789, "")),
        after_ms=ms(2024, 5, 1),
        before_ms=ms(2024, 6, 13, 12, 30),
        require=PlaceFlag.ANIMATED,
        exclude=PlaceFlag.SPOILER,
        count=12,
        min_score=0.8,
        weight=0.7,
        diversity=0.5,
    )


def test_a_space_after_the_colon_is_allowed_and_values_may_be_quoted() -> None:
    wish = parse('IN: #memes from: "Anna Lena" before: yesterday', NOW)
    assert wish.channels == (Reference(None, "memes"),)
    assert wish.authors == (Reference(None, "Anna Lena"),)
    assert wish.before_ms == ms(2024, 6, 14)


def test_what_only_looks_like_a_filter_is_a_word() -> None:
    assert parse("at 12:30 https://example.com :smile:", NOW).words == "at 12:30 https://example.com :smile:"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("has:unicorn", "“unicorn”; it knows gif"),
        ("has: ", "has: has no value"),
        ("in: from:@anna", "in: has no value"),
        ("count:0", "count: needs a whole number"),
        ("count:five", "count: needs a whole number"),
        ("count:٣", "count: needs a whole number"),
        ("min:2", "min: needs a number"),
        ("weight:-1", "weight: needs a number"),
        ("diverse:very", "diverse: needs a number"),
        ("min:high", "min: needs a number"),
        ("before:someday", "“someday” is not a date"),
        ("after:2024-02-30", "“2024-02-30” is not a date"),
        ("after:2024 before:2023", "after: is not earlier"),
        ("after:2023 after:2024", "after: stands there twice"),
        ("-after:2023", "-after: cannot be excluded"),
        ("-from:@anna", "-from: cannot be excluded"),
        ("has:gif -has:gif", "both name gif"),
        ("color:", "color: has no value; write it as in color:red"),
        ("colour:plaid", "color: does not know “plaid”; it knows black, grey"),
        ("color:#12", "and colours as #rrggbb"),
        ("-color:red", "-color: cannot be excluded"),
        ("in:<@123456789012345678>", "is not a channel"),
        ("from:<@&123456789012345678>", "is not a member"),
        ("from:#memes has:", "has: has no value"),
        ("x" * (MAX_CHARACTERS + 1), "at most 1,000"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_sentence_with_the_way_out(text: str, said: str) -> None:
    with pytest.raises(TellPerson) as told:
        parse(text, NOW)
    assert said in english(told.value)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused_with_a_sentence(text: str) -> None:
    with suppress(TellPerson):
        wish = parse(text, NOW)
        assert all(phrase in wish.words for phrase in wish.phrases)


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=8), max_size=8))
def test_words_without_signs_come_through_as_they_are(words: list[str]) -> None:
    assert parse(" ".join(words), NOW).words == " ".join(words)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024", ms(2024)),
        ("2024-05", ms(2024, 5)),
        ("2024-5-1", ms(2024, 5, 1)),
        ("2024-05-01 18:30", ms(2024, 5, 1, 18, 30)),
        ("2024-05-01T18:30", ms(2024, 5, 1, 18, 30)),
        ("01.05.2024", ms(2024, 5, 1)),
        ("today", ms(2024, 6, 15)),
        ("Heute", ms(2024, 6, 15)),
        ("yesterday", ms(2024, 6, 14)),
        ("3 weeks ago", ms(2024, 5, 25, 12, 30)),
        ("3w", ms(2024, 5, 25, 12, 30)),
        ("vor 3 Wochen", ms(2024, 5, 25, 12, 30)),
        ("a month ago", ms(2024, 5, 15, 12, 30)),
        ("vor einem Jahr", ms(2023, 6, 15, 12, 30)),
        ("36 hours ago", ms(2024, 6, 14, 0, 30)),
        ("<t:1700000000:R>", 1_700_000_000_000),
    ],
)
def test_dates_as_people_write_them(text: str, moment: int) -> None:
    assert parse_date(text, NOW) == moment


def test_a_month_before_the_31st_is_the_last_day_of_a_shorter_month() -> None:
    assert parse_date("1 month ago", ms(2024, 3, 31)) == ms(2024, 2, 29)


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_refused_with_a_sentence(text: str) -> None:
    with suppress(TellPerson):
        assert isinstance(parse_date(text, NOW), int)


def test_what_is_no_date_is_refused_with_the_spellings() -> None:
    with pytest.raises(TellPerson) as told:
        parse_date("soon", NOW)
    for words in (english(told.value), german(told.value)):
        spellings = words.rpartition(": ")[2].removesuffix(".").split(", ")
        assert len(spellings) == 7
        for spelling in spellings:
            parse_date(spelling, NOW)


def test_what_files_say_is_asked_for_by_camera_lens_and_place() -> None:
    wish = parse('dog camera:"EOS 5D" camera:D850 lens:50mm near:48.1,11.6,5km near:"-33.9, 18.4, 800m"', NOW)
    near = (Near(Position(48.1, 11.6), 5.0), Near(Position(-33.9, 18.4), 0.8))
    assert (wish.words, wish.exif) == ("dog", ExifFilter(("EOS 5D", "D850"), ("50mm",), near))
    assert parse("near:0,0,1km", NOW).has_filters
    assert parse("dog", NOW).exif is None


@pytest.mark.parametrize("text", ["48.1,11.6", "91,0,1km", "0,181,1km", "1,2,0km", "here", "1,2,3", "1,2,-3km"])
def test_a_place_that_is_none_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(TellPerson) as told:
        parse(f"near:{text}", NOW)
    assert "near:48.1,11.6,5km" in english(told.value)
