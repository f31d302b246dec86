"""The shipped model has the letters of every language that the documents promise, and of no other script."""

from __future__ import annotations

from collections import Counter

import pytest
from babel import Locale

from indexer.picture_texts.ocr.models import LANGUAGES, RAPIDOCR, find_models
from indexer.pictures.extras import installed

pytestmark = [
    pytest.mark.skipif(not installed(RAPIDOCR), reason="the extra ocr is not installed"),
    pytest.mark.xdist_group("reader of words"),
]

LOCALES = {"zh": "zh_Hans", "zh-tw": "zh_Hant", "tl": "fil", "no": "nb"}  # where CLDR's code is another
MOST_MISSING = 0.002  # of the letters of names: an apostrophe that is a letter


@pytest.fixture(scope="module")
def alphabet() -> frozenset[str]:
    from onnxruntime import InferenceSession  # here, so that without the extra the file is skipped and does not fail

    session = InferenceSession(str(find_models(None, ()).recognition), providers=["CPUExecutionProvider"])
    return frozenset(session.get_modelmeta().custom_metadata_map["character"].split("\n"))


def missing(code: str, alphabet: frozenset[str]) -> float:
    """The share of the letters in CLDR's names of countries and languages that the model does not know."""
    locale = Locale.parse(LOCALES.get(code, code))
    names = (*locale.territories.values(), *locale.languages.values())
    letters = Counter(sign for name in names for sign in name if sign.isalpha())
    return sum(count for sign, count in letters.items() if sign not in alphabet) / letters.total()


def test_it_has_the_letters_of_every_language_that_is_promised(alphabet: frozenset[str]) -> None:
    assert {code: share for code in LANGUAGES if (share := missing(code, alphabet)) > MOST_MISSING} == {}


@pytest.mark.parametrize(("code", "least"), [("ru", 0.99), ("ar", 0.99), ("ko", 0.99), ("vi", 0.05), ("el", 0.1)])
def test_it_lacks_letters_of_the_languages_that_the_documents_name_as_not_read(
    code: str, least: float, alphabet: frozenset[str]
) -> None:
    assert code not in LANGUAGES
    assert missing(code, alphabet) > least
