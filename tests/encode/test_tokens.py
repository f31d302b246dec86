"""A tokenizer without torch, open_clip and transformers gives the ids that open_clip's own gives."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path
from typing import Any
from unittest import mock

import ftfy
import numpy as np
import pytest

from indexer.encode.text_facts import TextFacts
from indexer.encode.tokens import ROWS, Tokenizer, short_batches, tidy
from tests.soak import SOAK

pytestmark = pytest.mark.xdist_group("torch")

# Twenty scripts, as ranges of letters. Of each comes what members write: words, digits, marks, joiners.
SCRIPTS = {
    "Latin": "a-zA-Zà-ÿÀ-ß", "Greek": "α-ωΑ-Ω", "Cyrillic": "а-яА-Яёі", "Armenian": "ա-ֆ", "Hebrew": "א-ת",
    "Arabic": "ء-ي", "Devanagari": "अ-ह", "Bengali": "অ-হ", "Gurmukhi": "ਅ-ਹ", "Gujarati": "અ-હ", "Tamil": "அ-ஹ",
    "Telugu": "అ-హ", "Thai": "ก-ฮ", "Georgian": "ა-ჰ", "Ethiopic": "ሀ-ሿ", "Khmer": "ក-អ", "Hiragana": "ぁ-ん",
    "Katakana": "ァ-ヶ", "Han": "一-丿", "Hangul": "가-갛",
}  # fmt: skip
MARKS = [
    *" \t\n.,;:!?'\"()[]{}<>/\\|@#$%^&*-_=+~`",
    "’",
    "“",
    "”",
    "…",
    "–",
    "€",
    "🦆",
    "\U0001f469\u200d\U0001f467",
    "ﬁ",
    "！",
    "é",
    "&amp;",
    "&#39;",
]


def letters(ranges: str) -> list[str]:
    found: list[str] = []
    while ranges:
        if ranges[1:2] == "-":
            found += [chr(code) for code in range(ord(ranges[0]), ord(ranges[2]) + 1)]
            ranges = ranges[3:]
        else:
            found.append(ranges[0])
            ranges = ranges[1:]
    return found


def texts(count: int) -> list[str]:
    """`count` texts: of each script as many, one in eight of several."""
    draw = random.Random(7)
    known = [letters(ranges) for ranges in SCRIPTS.values()]
    made = []
    for number in range(count):
        alphabets = [known[number % len(known)]] if number % 8 else draw.sample(known, 3)
        words = []
        for _ in range(draw.randint(0, 14)):
            word = "".join(draw.choices(draw.choice(alphabets), k=draw.randint(1, 12)))
            if draw.random() < 0.3:
                word += str(draw.randint(0, 10**6))
            if draw.random() < 0.4:
                word += draw.choice(MARKS)
            if draw.random() < 0.1:
                word += draw.choice(("'s", "'T", "'re", "'VE", "'ll", "<", "<|"))
            words.append(word)
        made.append(draw.choice((" ", "  ", "")).join(words))
    return made


def written(theirs: Any, file: Path) -> TextFacts:
    """Writes open_clip's tokenizer as ours."""
    from indexer.encode.on_openvino.write_tokenizer import write_tokenizer

    return write_tokenizer(theirs, file)


def differences(theirs: Any, ours: Tokenizer, context: int, usual: int) -> list[str]:
    """Those of `usual` texts whose ids differ; of 10,000 in `make soak`."""
    every = texts(10_000 if SOAK else usual)
    with mock.patch.object(ftfy, "fix_text", functools.cache(ftfy.fix_text)):  # both call it with the same texts
        expected = theirs([tidy(text, context) for text in every]).numpy()
        found = ours(every)
    return [text for text, same in zip(every, (expected == found).all(axis=1), strict=True) if not same]


# How the models that it belongs to clean gets all texts.
@pytest.mark.soak
@pytest.mark.parametrize(("clean", "usual"), [("lower", 2000), ("whitespace", 400), ("canonicalize", 400)])
def test_clips_tokenizer_gives_the_same_ids_in_twenty_scripts(tmp_path: Path, clean: str, usual: int) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    theirs = SimpleTokenizer(context_length=24, clean=clean)
    facts = written(theirs, tmp_path / "tokenizer.json")
    assert facts == TextFacts(clean, 24)
    assert differences(theirs, Tokenizer(tmp_path / "tokenizer.json", facts), 24, usual) == []


def test_its_control_tokens_in_a_text_are_what_they_are_to_open_clip(tmp_path: Path) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    theirs = SimpleTokenizer(context_length=24)
    ours = Tokenizer(tmp_path / "tokenizer.json", written(theirs, tmp_path / "tokenizer.json"))
    said = ["<start_of_text>", "a <end_of_text> b", "cat<end_of_text>dog"]
    assert np.array_equal(ours(said), theirs(said).numpy())


def write_siglip_tokenizer(folder: Path, **said: Any) -> None:
    """Files of the kind that SigLIP2 has (Gemma's): byte fallback, "▁" for a space, a token at the end, filled up to
    the right; learnt from the scripts above."""
    from tokenizers import Tokenizer as Made
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

    made = Made(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=4000, special_tokens=specials + bytes_, show_progress=False)
    made.train_from_iterator([text[:200] for text in texts(400)], trainer)
    made.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    made.save(str(folder / "tokenizer.json"))
    named = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "right", **named, **said}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.mark.soak
@pytest.mark.parametrize(("clean", "usual"), [("canonicalize", 2000), ("whitespace", 400)])
def test_a_siglip2_tokenizer_gives_the_same_ids_in_twenty_scripts(tmp_path: Path, clean: str, usual: int) -> None:
    from open_clip.tokenizer import HFTokenizer

    write_siglip_tokenizer(tmp_path)
    theirs = HFTokenizer(str(tmp_path), context_length=64, clean=clean)
    facts = written(theirs, tmp_path / "ours.json")
    assert facts == TextFacts(clean, 64)
    ours = Tokenizer(tmp_path / "ours.json", facts)
    assert differences(theirs, ours, 64, usual) == []
    assert ours(["a"])[0, -1] == 0  # filled up
    assert ours(["a cat " * 100])[0, -1] == 1  # cut, with its end


@pytest.mark.soak
def test_filling_up_and_cutting_on_the_left_and_a_blanked_separator_are_kept(tmp_path: Path) -> None:
    from open_clip.tokenizer import HFTokenizer

    write_siglip_tokenizer(tmp_path, padding_side="left", truncation_side="left", sep_token="<eos>")
    theirs = HFTokenizer(str(tmp_path), context_length=16, strip_sep_token=True)
    facts = written(theirs, tmp_path / "ours.json")
    assert facts == TextFacts("whitespace", 16, blank=1)
    assert differences(theirs, Tokenizer(tmp_path / "ours.json", facts), 16, 1000) == []


def test_what_has_no_equal_is_refused_in_words(tmp_path: Path) -> None:
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    from indexer.encode.on_openvino.write_tokenizer import NotExportable

    with pytest.raises(NotExportable, match="at random"):
        written(SimpleTokenizer(reduction_mask="random"), tmp_path / "tokenizer.json")
    write_siglip_tokenizer(tmp_path)
    with pytest.raises(NotExportable, match="not one of the"):
        written(HFTokenizer(str(tmp_path), tokenizer_mode="clips"), tmp_path / "ours.json")
    with pytest.raises(NotExportable, match="in a way of its own"):
        written(lambda texts: texts, tmp_path / "tokenizer.json")


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version"')
    with pytest.raises(ValueError, match=r"tokenizer\.json is no tokenizer"):
        Tokenizer(tmp_path / "tokenizer.json", TextFacts("lower", 8))


def test_half_surrogate_pairs_and_endless_texts_have_ids(tmp_path: Path) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    facts = written(SimpleTokenizer(context_length=8), tmp_path / "tokenizer.json")
    ids = Tokenizer(tmp_path / "tokenizer.json", facts)(["\ud83d half", "x" * 1_000_000, ""])
    assert ids.shape == (3, 8)
    assert ids.dtype == np.int64


FILLED_UP_TO_8 = [
    [7, 3, 9, 0],
    [7, 9, 9, 9],  # the end itself fills it up
    [7, 0, 0, 9, 0, 0],
    [7, 3, 4, 5, 6, 2, 1, 9],  # 8 ids and no fill
    [5],
]


def filled_up(ids: list[int], context: int = 40) -> list[int]:
    return [*ids, *[ids[-1]] * (context - len(ids))]


@pytest.mark.parametrize("ids", FILLED_UP_TO_8)
def test_what_fills_a_text_up_is_left_out_but_for_one_token_and_what_rounds_it_up(ids: list[int]) -> None:
    ((chosen, batch),) = short_batches(np.array([filled_up([*ids, 0])]))
    assert chosen.tolist() == [0]
    assert batch.tolist() == [filled_up([*ids, 0])[: 12 if len(ids) == 8 else 8]]


def test_texts_of_one_length_go_together_and_few_shapes_are_made() -> None:
    lengths = [3, 20, 4, 36, 40, 31, *[5] * 9, *[11] * 5]
    ids = np.array([filled_up([*range(1, length), 0]) for length in lengths])
    batches = list(short_batches(ids))
    assert sorted(at for chosen, _ in batches for at in chosen.tolist()) == list(range(len(lengths)))
    assert [batch.shape for _, batch in batches] == [
        (8, 8),
        (4, 8),
        (4, 12),
        (1, 12),
        (1, 24),
        (1, 32),
        (1, 36),
        (1, 40),
    ]
    for chosen, batch in batches:
        assert batch.size <= ROWS
        for at, row in zip(chosen, batch, strict=False):
            assert row.tolist() == ids[at][: len(row)].tolist()
            assert lengths[at] <= len(row)


def test_a_text_that_is_filled_up_on_the_left_stays_whole() -> None:
    ((_, batch),) = short_batches(np.array([[0] * 37 + [7, 3, 9]]))
    assert batch.shape == (1, 40)
