"""The catalogue: from key and values to words. One Fluent file for each language, `en.ftl` and `de.ftl`."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from bot.texts.language import Language
from indexer.sentence import STORED_TEXT, Sentence, Value

if TYPE_CHECKING:
    from fluent.runtime import FluentBundle

logger = logging.getLogger(__name__)

# Where a text begins. No text of ours refers to another one, so each can be parsed alone.
_KEY = re.compile(r"^([a-z][a-z0-9-]*) *=", re.MULTILINE)


def translate(language: Language, key: str, /, **values: Value) -> str:
    """The text of `key` with its values. An int selects singular or plural and is written with the language's
    separators. Raises KeyError for an unknown key, or for a missing value that the text needs.
    """
    bundle, sources = _bundle(language)
    if not bundle.has_message(key):
        _parse(bundle, sources[key])
    pattern = bundle.get_message(key).value
    if pattern is None:
        raise KeyError(f"{key} has no text in {language}.ftl")
    text, errors = bundle.format_pattern(pattern, values)
    if errors:
        raise KeyError(f"{key} in {language}.ftl, given {sorted(values)}: {errors[0]}")
    return str(text)


def translate_sentence(language: Language, sentence: Sentence, harmless: Callable[[str], str]) -> str:
    """The words of a sentence of the indexer. Every text among its values may come from a member, so it passes through
    `harmless`. That function knows where the words will be shown (Discord's markdown, a terminal).

    A stored sentence whose key is no longer in the catalogue is shown as its key and values.
    """
    values = {name: harmless(value) if isinstance(value, str) else value for name, value in sentence.values.items()}
    try:
        return translate(language, sentence.key, **values)
    except KeyError as error:
        logger.warning("a sentence has no text: %s", error)
        return translate(language, STORED_TEXT, text=harmless(str(sentence)))


@cache
def _bundle(language: Language) -> tuple[FluentBundle, Mapping[str, str]]:
    """The language's rules, with the texts that were needed so far, and the source of each text by its key.

    A text is parsed when it is first needed: a start needs a tenth of them, and all take 70 ms a language. Fluent is
    imported at the first sentence: with Babel's plural rules it takes 8 MB and 90 ms, and `afterimage health` and
    `status` do not need it.
    """
    from fluent.runtime import FluentBundle

    source = files(__package__).joinpath(f"{language.value}.ftl").read_text("utf-8")
    starts = [*_KEY.finditer(source)]
    ends = [*(start.start() for start in starts[1:]), len(source)]
    sources = {start[1]: source[start.start() : end] for start, end in zip(starts, ends, strict=True)}
    return FluentBundle([language.value], use_isolating=False), sources  # no invisible marks in names and links


def _parse(bundle: FluentBundle, source: str) -> None:
    from fluent.runtime import FluentResource

    bundle.add_resource(FluentResource(source))
