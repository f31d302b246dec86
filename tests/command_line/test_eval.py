"""`afterimage eval`: a starter file of re-posts, and three ways of searching held against what was expected."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bot.command_line.eval_plot import drawn
from bot.command_line.eval_queries import read, starter
from bot.command_line.evaluate import WAYS, measured, text
from indexer.errors import TellPerson
from tests.command_line.conftest import Run
from tests.command_line.test_searching import found
from tests.worlds.exports import FIRST
from tests.worlds.json_schemas import assert_schema
from tests.worlds.searchable_folder import POSTS, Folder, running_bot

pytestmark = pytest.mark.xdist_group("searching")

AGAIN = [str(FIRST + at * 1000) for at, (number, _) in enumerate(POSTS) if number == 0]


async def test_a_starter_file_of_re_posts_is_made_and_measured_alone_and_beside_a_bot(
    run: Run, folder: Folder, tmp_path: Path
) -> None:
    file = tmp_path / "labelled.jsonl"
    code, out, _ = await asyncio.to_thread(run, "eval", "make", str(file), "--json")
    assert code == 0
    assert_schema("eval", json.loads(out))
    questions = [json.loads(line) for line in file.read_text().splitlines()]
    assert questions == [
        {"like": AGAIN[0], "expected": AGAIN[1:]},
        {"query": "the red bicycle again", "expected": AGAIN},
    ]
    assert "exists already" in (await asyncio.to_thread(run, "eval", "make", str(file)))[2]
    alone = await asyncio.to_thread(found, run, "eval", str(file))
    async with running_bot(folder):
        beside = await asyncio.to_thread(found, run, "eval", str(file), "--plot", str(tmp_path / "plot.svg"))
    for answer in (alone, beside):
        assert (answer["questions"], answer["errors"]) == (2, [])
        assert all(scores["p50_ms"] > 0 for scores in answer["ways"].values())
        for scores in answer["ways"].values():
            del scores["mean_ms"], scores["p50_ms"], scores["p95_ms"], scores["p99_ms"]
            memory = scores.pop("memory")
            assert sys.platform != "linux" or memory["bot"] > 0
            assert set(memory) <= {"bot", "model"}
    assert alone == beside
    # The picture finds its re-posts; words alone find only what was said, and the picture's question says nothing.
    assert alone["ways"]["vectors"]["recall@1"] >= 0.5
    assert alone["ways"]["words"]["mrr"] == 0.5
    assert alone["ways"]["hybrid"]["mrr"] == 1.0
    labels = [element.text for element in ET.fromstring((tmp_path / "plot.svg").read_text()).iter() if element.text]  # noqa: S314 -- our own
    assert {"recall@1", "recall@10", "mrr", "map", "vectors", "words", "hybrid"} <= set(labels)


def test_the_most_memory_of_each_process_stands_in_the_table_and_in_the_plot(tmp_path: Path) -> None:
    (tmp_path / "labelled.jsonl").write_text('{"query": "cat", "expected": ["1"]}')
    given = {way: [{"found": [["1"]], "ms": 2.0}] for way in (*WAYS, "reranked", "second")}
    memory = {way: {"bot": 131_000_000, "model": 700_000_000} for way in given}
    memory["second"] = memory["second"] | {"bot": 150_000_000, "second": 905_000_000}
    answer = measured(read(tmp_path / "labelled.jsonl"), given, memory)
    assert_schema("eval", answer)
    lines = {line.split()[0]: line.split()[1:] for line in text(answer).splitlines()}
    assert lines["bot_mb"] == ["131", "131", "131", "131", "150"]
    assert lines["second_mb"] == ["–", "–", "–", "–", "905"]
    assert "most memory in MB: bot 150 · model 700 · second 905" in drawn(answer)


def test_a_question_that_cannot_be_asked_is_named_and_counts_nowhere(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "labelled.jsonl"
    file.write_text(
        f'{{"query": "bicycle", "expected": [{AGAIN[0]}]}}\n\n{{"query": "red from:@nobody", "expected": ["1"]}}\n'
        '{"like": "5", "expected": ["6"]}\n'
    )
    code, out, _ = run("eval", str(file))
    assert code == 1
    assert out.startswith("1 questions\n")
    assert "line 3: Nobody named nobody" in out
    assert "line 4: That picture is no longer there" in out


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[]",
        "not json",
        '{"query": "cat"}',
        '{"query": "cat", "expected": []}',
        '{"query": "cat", "expected": ["x"]}',
        '{"query": 5, "expected": ["1"]}',
        '{"query": "cat", "like": "x", "expected": ["1"]}',
        '{"query": " ", "expected": ["1"]}',
        '{"query": "cat", "expected": [true]}',
        '{"query": "cat", "expected": ["99999999999999999999"]}',
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "labelled.jsonl").write_text(f"\n{line}")
    expected = ("cli-eval-line", "2") if line else ("cli-eval-empty", None)
    with pytest.raises(TellPerson) as told:
        read(tmp_path / "labelled.jsonl")
    assert (told.value.sentence.key, told.value.sentence.values.get("line")) == expected


def test_words_of_a_question_hold_nothing_of_the_grammar() -> None:
    posts = [{"message_id": "1"}, {"message_id": "2"}]
    said = '-cat in:#memes "to be" https://a.example/x <@5> **bold** from:ada'
    _, made = starter([{"posts": posts, "text": said}])
    assert made == {"query": "cat in memes to be bold from ada", "expected": ["1", "2"]}
    assert len(starter([{"posts": posts, "text": "lol"}])) == 1


def test_where_nothing_could_be_asked_there_are_no_means(tmp_path: Path) -> None:
    (tmp_path / "labelled.jsonl").write_text('{"query": "cat", "expected": ["1"]}')
    labelled = read(tmp_path / "labelled.jsonl")
    answer = measured(labelled, {way: [{"error": "no"}] for way in WAYS}, {way: {} for way in WAYS})
    assert_schema("eval", answer)
    assert "–" in text(answer)
    assert "NaN" not in drawn(answer)
