"""The message catalogue is whole: every language says everything, nothing is missing, and nothing is left over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from fluent.syntax import ast as fluent
from fluent.syntax import parse
from fluent.syntax.visitor import Visitor

from bot.commands import sentence_for, told
from bot.replies.escape import escaped
from bot.texts import Language, translate
from bot.texts.catalogue import _bundle
from indexer.errors import Reason, Rejected, TellPerson
from indexer.jobs import Why
from indexer.records.hits import Band, Floor
from indexer.sentence import Sentence, Value

ROOT = Path(__file__).parents[2]
OF_THE_CODE = pytest.mark.xdist_group("texts of the code")  # one process reads the code

# Where the key stands among the arguments of what takes one.
TAKES_A_KEY = {
    "TellPerson": 0,
    "ChannelClosed": 0,
    "ChannelGone": 0,
    "Sentence": 0,
    "Refusal": 0,
    "localized": 0,
    "translate": 1,
    "_whisper": 1,
}


@cache
def trees() -> Mapping[Path, ast.Module]:
    """The code of the bot and the indexer. Not read where the tests are only listed: that takes 2 s."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text("utf-8"))
        for room in ("bot", "indexer")
        for path in sorted((ROOT / room).rglob("*.py"))
    }


class _Variables(Visitor):
    """The variables of a message; those that choose a plural are numbers."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.counted: set[str] = set()

    def visit_VariableReference(self, node: fluent.VariableReference) -> None:
        self.names.add(node.id.name)

    def visit_SelectExpression(self, node: fluent.SelectExpression) -> None:
        names = {variant.key.name for variant in node.variants if isinstance(variant.key, fluent.Identifier)}
        if names == {"one", "other"} and isinstance(node.selector, fluent.VariableReference):
            self.counted.add(node.selector.id.name)
        self.generic_visit(node)


class _References(Visitor):
    """Whether a message refers to another one, or to a term."""

    def __init__(self) -> None:
        self.found = False

    def visit_MessageReference(self, _: fluent.MessageReference) -> None:
        self.found = True

    def visit_TermReference(self, _: fluent.TermReference) -> None:
        self.found = True


@cache
def messages(language: Language) -> Mapping[str, fluent.Message]:
    resource = parse(files("bot.texts").joinpath(f"{language}.ftl").read_text("utf-8"))
    junk = [entry.content for entry in resource.body if isinstance(entry, fluent.Junk)]
    assert not junk, "these lines are no Fluent"
    found = [entry for entry in resource.body if isinstance(entry, fluent.Message)]
    assert len({entry.id.name for entry in found}) == len(found), "a key stands twice"
    return {entry.id.name: entry for entry in found}


@pytest.mark.parametrize("language", Language)
def test_each_text_is_found_and_stands_alone(language: Language) -> None:
    """The bot parses each text by itself, when it is first needed."""
    _, sources = _bundle(language)
    assert sources.keys() == messages(language).keys()
    for key, whole in messages(language).items():
        (alone,) = [entry for entry in parse(sources[key]).body if isinstance(entry, fluent.Message)]
        assert alone.equals(whole, ignored_fields=["span", "comment"]), key
        visitor = _References()
        visitor.visit(whole)
        assert not visitor.found, f"{key} refers to another text"


def variables(language: Language, key: str) -> _Variables:
    visitor = _Variables()
    visitor.visit(messages(language)[key])
    return visitor


@cache
def keys() -> list[str]:
    return sorted(messages(Language.ENGLISH))


def values(key: str, number: int = 2) -> dict[str, Value]:
    """A value for every variable of a text."""
    counted = variables(Language.ENGLISH, key).counted | variables(Language.GERMAN, key).counted
    names = variables(Language.ENGLISH, key).names
    return {name: number if name in counted else "*eve*" for name in names}


def escaped_values(given: Mapping[str, Value]) -> dict[str, Value]:
    return {name: escaped(value, 100) if isinstance(value, str) else value for name, value in given.items()}


def pattern_of(node: ast.expr) -> str | None:
    """What a constant or f-string can be, as a regular expression; None for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(pattern_of(part) or "[a-z-]+" for part in parts)
        case _:
            return None


def literals(node: ast.expr) -> Iterator[ast.expr]:
    """The texts that an argument can be: itself, or either end of a condition."""
    if isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.Constant | ast.JoinedStr):
        yield node


def asked_for(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every key that a call gives, with its line."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        at = TAKES_A_KEY.get(name)
        if at is not None and len(node.args) > at:
            for literal in literals(node.args[at]):
                pattern = pattern_of(literal)
                assert pattern is not None
                yield node.lineno, pattern


def errors() -> set[str]:
    """The keys of everything that a member is told when something is wrong."""
    patterns = {
        pattern
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("TellPerson", "Sentence")
        for literal in literals(node.args[0] if node.args else ast.Name("none"))
        if (pattern := pattern_of(literal)) is not None
    }
    return {key for key in keys() for pattern in patterns if re.fullmatch(pattern, key)}


def test_both_languages_have_the_same_keys_with_the_same_variables() -> None:
    assert messages(Language.GERMAN).keys() == messages(Language.ENGLISH).keys()
    for key in keys():
        assert variables(Language.GERMAN, key).names == variables(Language.ENGLISH, key).names, key


@OF_THE_CODE
def test_every_key_that_code_asks_for_is_in_the_catalogue() -> None:
    for path, tree in trees().items():
        for line, pattern in asked_for(tree):
            assert any(re.fullmatch(pattern, key) for key in keys()), f"{path}:{line}: {pattern}"


def test_the_walk_over_the_code_finds_keys_and_misses() -> None:
    found = list(asked_for(ast.parse('TellPerson("a" if x else "b")\ntranslate(language, f"band-{hit.band}")')))
    assert found == [(1, "a"), (1, "b"), (2, r"band\-[a-z-]+")]


@OF_THE_CODE
def test_every_text_is_used() -> None:
    used: set[str] = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
            elif isinstance(node, ast.JoinedStr) and re.match("[a-z]", pattern := pattern_of(node) or ""):
                used |= {key for key in keys() if re.fullmatch(pattern, key)}
    assert set(keys()) - used == set()


@pytest.mark.parametrize("language", list(Language))
def test_every_text_has_words_for_one_and_for_many(language: Language) -> None:
    for key in keys():
        for number in (0, 1, 2, 12_345):
            words = translate(language, key, **values(key, number))
            assert words.strip(), key
            assert "{" not in words, key


def test_what_a_member_did_is_told_in_their_language_and_what_they_wrote_is_harmless() -> None:
    found = errors() | {f"job-{why.value}" for why in Why}
    assert len(found) > 50
    for key in found:
        given = values(key)
        english, german = (sentence_for(TellPerson(key, **given), "x", language) for language in Language)
        assert english == translate(Language.ENGLISH, key, **escaped_values(given)), key
        assert german == translate(Language.GERMAN, key, **escaped_values(given)), key
        assert german != english or key in ALIKE, key
        assert "*eve*" not in english + german, key


@pytest.mark.parametrize("reason", list(Reason))
def test_a_german_member_is_told_in_german_why_a_picture_was_refused(reason: Reason) -> None:
    english, german = (sentence_for(Rejected(reason, "detail"), "x", language) for language in Language)
    assert english.endswith(".")
    assert german.endswith(".")
    assert german != english
    assert german == translate(Language.GERMAN, f"reason-{reason}", format="none")


ALIKE = {
    # Names, numbers and signs that are the same in both languages.
    "hit-line",
    "footer-ms",
    "stored-text",
    "cli-picture",
}


def test_a_german_text_is_not_the_english_one() -> None:
    alike = {
        key
        for key in keys()
        if translate(Language.GERMAN, key, **values(key)) == translate(Language.ENGLISH, key, **values(key))
    }
    assert alike == ALIKE


def test_every_band_and_floor_has_its_words() -> None:
    for language in Language:
        for band in set(Band) - {Band.LISTED}:  # nothing was compared
            assert translate(language, f"band-{band}")
            assert translate(language, f"words-{band}")
        for floor in (Floor.DIRECT, Floor.LIVE):
            assert translate(language, f"footer-floor-{floor}")
        for floor in Floor:
            assert translate(language, f"floor-{floor}")


@OF_THE_CODE
def test_every_stage_of_a_search_has_its_word() -> None:
    """They are named where they are measured, and shown to managers."""
    named = {
        node.args[0].value
        for path, tree in trees().items()
        if path.parts[:2] == ("indexer", "search")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "stage"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    stages = {
        statement.value.value
        for path, tree in trees().items()
        if path.parts[:2] == ("indexer", "search")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id == "name"
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }
    assert len(named) >= 5
    assert len(stages) >= 4
    for name in named | stages | {"total"}:
        assert f"stage-{name}" in keys()


def test_one_is_singular_and_numbers_have_the_languages_separators() -> None:
    assert translate(Language.ENGLISH, "footer-searched", searched=1) == "1 picture searched"
    assert translate(Language.ENGLISH, "footer-searched", searched=12_345) == "12,345 pictures searched"
    assert translate(Language.GERMAN, "footer-searched", searched=1) == "1 Bild durchsucht"
    assert translate(Language.GERMAN, "footer-searched", searched=12_345) == "12.345 Bilder durchsucht"
    assert "None of the 1 " not in translate(Language.ENGLISH, "none-found", searched=1)


def test_a_missing_key_or_value_is_an_error_and_a_stored_one_is_still_shown() -> None:
    with pytest.raises(KeyError):
        translate(Language.ENGLISH, "no-such-key")
    with pytest.raises(KeyError):
        translate(Language.ENGLISH, "footer-searched")
    assert told(Language.GERMAN, Sentence("no-such-key", {"n": 1})).startswith("no\\-such\\-key")


def test_the_log_has_the_key_and_its_values() -> None:
    assert str(TellPerson("error-author", name="eve")) == "error-author (name='eve')"
    assert str(Rejected(Reason.EMPTY, "0 bytes")) == "empty: 0 bytes"


@pytest.mark.parametrize("language", list(Language))
def test_no_text_is_longer_than_a_message_may_be(language: Language) -> None:
    texts = {key: translate(language, key, **values(key)) for key in keys()}
    assert sum(len(text) for key, text in texts.items() if key.startswith("privacy-")) < 4000
    assert all(len(text) < 1500 for text in texts.values())
