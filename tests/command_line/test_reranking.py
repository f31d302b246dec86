"""A second model as commands show it: in an answer, measured by `eval`, among the caches, and where it is missing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.replies.closeness import Asked
from bot.replies.pages import Dress, page
from bot.texts import Language
from indexer.features.kept_features import FILE_NAME
from indexer.query.query import Query, Stages
from indexer.records.hits import Filter, Floor, Reranked, RerankOutcome, SearchResult
from indexer.records.ids import GuildId
from indexer.settings import RerankSettings
from tests.command_line.conftest import Run
from tests.command_line.test_eval import AGAIN
from tests.worlds.json_schemas import assert_schema
from tests.worlds.searchable_folder import Folder, running_bot, write
from tests.worlds.waiting import DEADLINE_S

pytestmark = pytest.mark.xdist_group("searching")

ROOT = Path(__file__).parents[2]
SECOND = RerankSettings(kind="open_clip", budget_s=DEADLINE_S)


async def test_beside_a_bot_the_answer_eval_and_the_caches_tell_of_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = await asyncio.to_thread(write, tmp_path / "folder")  # of its own: its caches are emptied
    monkeypatch.chdir(folder.root)
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text(f'{{"like": {AGAIN[0]}, "expected": {json.dumps(AGAIN[1:])}}}\n')
    async with running_bot(folder):
        monkeypatch.setenv("AFTERIMAGE_RERANK_KIND", "open_clip")
        refused = await asyncio.to_thread(run, "eval", str(labelled))
        assert "No second model is configured in the bot that answers" in refused[2]
    async with running_bot(folder, SECOND):
        code, out, _ = await asyncio.to_thread(run, "search", "min:-1", "river", "--json")
        assert code == 0
        answer = json.loads(out)
        assert_schema("search", answer)
        assert answer["reranked"] == {
            "model": "in-test",
            "outcome": "done",
            "candidates": 6,
            "scored": 6,
            "note": "",
        }
        assert {hit["parts"]["seen"] for hit in answer["hits"]} == {"scored"}
        said = (await asyncio.to_thread(run, "search", "min:-1", "walk", "--explain"))[1]
        assert "second model" in said
        assert "in-test: 6 of 6 seen" in said
        lines = tmp_path / "questions.txt"
        lines.write_text("min:-1 bicycle\nmin:-1 light\n")
        batch = json.loads((await asyncio.to_thread(run, "search", "--batch", str(lines), "--json"))[1])
        assert [found["reranked"]["outcome"] for found in batch["answers"]] == ["done", "done"]
        code, out, _ = await asyncio.to_thread(run, "eval", str(labelled), "--json", "--plot", str(tmp_path / "p.svg"))
        found = json.loads(out)
        assert_schema("eval", found)
        assert list(found["ways"]) == ["vectors", "words", "hybrid", "reranked", "second"]
        assert found["ways"]["second"]["mrr"] == 1.0
        assert found["ways"]["reranked"]["fell_back"] == 0
        if sys.platform == "linux":
            assert found["ways"]["second"]["memory"]["bot"] > 0
            assert found["ways"]["second"]["memory"]["second"] == 0, "the world's second model has no process"
        assert "reranked" in (tmp_path / "p.svg").read_text()
        caches = json.loads((await asyncio.to_thread(run, "cache", "status", "--json"))[1])["caches"]
        features = next(cache for cache in caches if cache["name"] == "features")
        assert (features["count"], features["cleared"]) == (6, True)
        assert features["hits"] > 0
        cleared = json.loads((await asyncio.to_thread(run, "cache", "clear", "--json"))[1])["cleared"]
        assert cleared["features"] == 6
    async with running_bot(folder):
        path = folder.root / "data" / FILE_NAME
        while await asyncio.to_thread(path.exists):  # noqa: ASYNC110 -- switched off, the start deletes the file
            await asyncio.sleep(0.02)


def test_without_a_bot_and_without_weights_the_answer_is_the_first_models_and_says_so(
    run: Run, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERIMAGE_RERANK_KIND", "open_clip")
    monkeypatch.setenv("AFTERIMAGE_RERANK_FOLDER", str(folder.root / "no such export"))
    code, out, _ = run("search", "min:-1", "river")
    assert code == 0
    assert "\nordered by the first model alone: the second is not to be had" in out


def test_members_are_told_why_the_order_is_the_first_models_and_nothing_else() -> None:
    for outcome in RerankOutcome:
        result = SearchResult((), 5, Floor.INDEX, reranked=Reranked("second", outcome, 3, 0))
        view: Any = page(GuildId(1), Asked(0, "cat"), result, 0, Dress(Language.ENGLISH))
        told = json.dumps(view.to_components())
        assert ("ordered by the first model alone" in told) == result.reranked.fell_back  # type: ignore[union-attr]  # it was given
        assert "of 3" not in told


def test_a_question_for_a_measurement_is_another_question() -> None:
    prints = {Query(GuildId(1), Filter(frozenset()), words="cat", stages=stages).fingerprint() for stages in Stages}
    assert len(prints) == len(Stages)


def test_switched_off_nothing_of_it_is_imported() -> None:
    look = (
        "import sys, bot.app, indexer.read_only_search\n"
        "names = sys.modules.keys() - {'indexer.settings.rerank'}\n"
        "print([name for name in names if 'rerank' in name or 'second_model' in name])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
