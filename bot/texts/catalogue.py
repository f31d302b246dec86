"""The catalogue: from key and values to words. One Fluent file for each language, `en.ftl` and `de.ftl`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from bot.texts.language import Language
from indexer.sentence import STORED_TEXT, Sentence, Value

if TYPE_CHECKING:
    from fluent.runtime import FluentBundle

logger = logging.getLogger(__name__)


def translate(language: Language, key: str, /, **values: Value) -> str:
    """The text of `key` with its values. An int selects singular or plural and is written with the language's
    separators. Raises KeyError for an unknown key, or for a missing value that the text needs.
    """
    bundle = _bundle(language)
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
def _bundle(language: Language) -> FluentBundle:
    """Imports Fluent at the first sentence: with Babel's plural rules it takes 8 MB and 90 ms. Parsing a language takes
    about 5 MB and 70 ms more, and its texts about 1 MB at their first use. `afterimage health` and `status` do not need
    it.
    """
    from fluent.runtime import FluentBundle, FluentResource

    bundle = FluentBundle([language.value], use_isolating=False)  # no invisible marks in names and links
    bundle.add_resource(FluentResource(files(__package__).joinpath(f"{language.value}.ftl").read_text("utf-8")))
    return bundle
