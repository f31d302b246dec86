"""A second stage orders what the first has found, in time or not at all, and tells nobody of anything hidden."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.replies.explained import explained_parts, explained_stages, rerank_note
from bot.texts import Language
from indexer.backoff import Backoff
from indexer.encode import model_on_demand
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.errors import ModelUnavailable
from indexer.features.kept_features import FILE_NAME, KeptFeatures
from indexer.platforms.processes import kill
from indexer.ports import Reranker
from indexer.query.query import Query, Stages
from indexer.records.hits import Band, Filter, RerankOutcome, SearchResult
from indexer.records.ids import MessageId, UserId
from indexer.records.pictures import Features, Scores
from indexer.search import rerank, second_model
from indexer.search.dual_reranker import DualReranker
from indexer.search.search import Searcher
from indexer.settings import ModelSettings, RerankSettings, SearchSettings, Settings
from indexer.store import forget, messages
from tests.worlds.library import MEMES, PETS, SECRET, ask, decoded
from tests.worlds.second_stage import OrderedEncoder, TwoStages, searching, two_stages
from tests.worlds.waiting import DEADLINE_S, until

REPLACES = RerankSettings(budget_s=DEADLINE_S, fusion="replace")


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[TwoStages]:
    async with two_stages(tmp_path, REPLACES) as library:
        yield library


async def relations(library: TwoStages, count: int = 3) -> list[MessageId]:
    """A cat left of a dog, and in newer messages dogs left of cats, which the first model cannot tell apart."""
    await library.noise(30)
    right = await library.show("cat left dog")
    return [right, *[await library.show(f"dog left cat #{number}") for number in range(count)]]


def found(result: SearchResult) -> list[MessageId]:
    return [hit.place.message_id for hit in result.hits]


async def first_alone(library: TwoStages, query: Query) -> SearchResult:
    return await Searcher(library.db, library.index, library.encoder, library.model_id, SearchSettings()).search(query)


def outcome(result: SearchResult) -> RerankOutcome | None:
    return None if result.reranked is None else result.reranked.outcome


async def test_what_the_first_model_takes_for_the_same_the_second_tells_apart(library: TwoStages) -> None:
    right, *_ = await relations(library)
    await library.show("cat left dog sofa")
    query = ask("cat left dog", count=10)
    before = await first_alone(library, query)
    result = await library.searcher.search(query)
    assert found(result)[0] == right
    assert set(found(result)) == set(found(before)), "it calls nothing a match, and drops nothing"
    assert {hit.picture_id: hit.band for hit in result.hits} == {hit.picture_id: hit.band for hit in before.hits}
    assert outcome(result) is RerankOutcome.DONE
    assert list(result.stage_ms)[-3:] == ["rerank", "choose", "total"]
    top = result.hits[0].parts
    assert (top.second_rank, top.seen) == (1, "scored")
    assert top.first_rank is not None
    assert top.cosine == next(hit.parts.cosine for hit in before.hits if hit.place.message_id == right)
    said = explained_parts(result.hits[0], Language.ENGLISH)
    assert any(text.startswith("second model 0.") and f"(first stage: {top.first_rank})" in text for text in said)
    assert "second: 5 of 5 seen" in explained_stages(result, Language.ENGLISH)
    assert rerank_note(result, Language.ENGLISH) == ""


async def test_what_is_asked_for_beyond_the_cut_follows_in_the_first_stages_order(tmp_path: Path) -> None:
    async with two_stages(tmp_path, replace(REPLACES, keep=1)) as library:
        right, *_ = await relations(library, 6)
        query = ask("cat left dog", count=10)
        before = found(await first_alone(library, query))
        assert found(await library.searcher.search(query)) == [right, *(at for at in before if at != right)]


async def test_asked_with_a_picture_the_second_model_orders_and_copies_stay_first(library: TwoStages) -> None:
    await library.noise(30)
    same = await library.show("dog left cat")
    wrong = await library.show("dog left cat tree")
    right = await library.show("cat left dog tree")
    asked = decoded("dog left cat")
    query = replace(ask("", "dog left cat"), small_copies=(library.opened(decoded("cat left dog")),))
    result = await library.searcher.search(query)
    assert asked.sha256 in query.digests
    assert result.hits[0].band is Band.SAME
    assert found(result)[:3] == [same, right, wrong]
    assert result.hits[0].parts.seen is None


async def test_a_picture_of_the_index_is_asked_with_by_its_features(library: TwoStages) -> None:
    await library.noise(30)
    asked = await library.show("cat left dog")
    wrong = await library.show("dog left cat tree")
    right = await library.show("cat left dog tree")
    like = replace(ask(), like=(await library.picture_of(asked),))
    assert found(await library.searcher.search(like))[:2] == [right, wrong]


async def test_hidden_pictures_are_neither_asked_for_nor_counted(library: TwoStages) -> None:
    await relations(library)
    query = ask("cat left dog", count=10)
    before = await library.searcher.search(query)
    hidden = [await library.show(f"cat left dog #hidden{number}", channel=SECRET) for number in range(5)]
    library.asked.clear()
    after = await library.searcher.search(query)
    assert (after.hits, after.reranked) == (before.hits, before.reranked)
    shown = {await library._message(place_id) for place_id in library.asked}
    assert not shown & set(hidden)


async def test_a_picture_that_is_also_hidden_is_had_from_its_visible_place(library: TwoStages) -> None:
    await relations(library)
    both = decoded("cat left dog #both")
    visible = await library.post(both, channel=PETS)
    hidden = await library.post(both, channel=SECRET)
    await library.searcher.search(ask("cat left dog", filter=Filter(frozenset({MEMES, PETS}))))
    shown = {await library._message(place_id) for place_id in library.asked}
    assert visible in shown
    assert hidden not in shown


async def test_what_is_not_at_hand_keeps_its_place_and_explain_says_so(library: TwoStages) -> None:
    right, *_ = await relations(library)
    query = ask("cat left dog", count=10)
    order = found(await first_alone(library, query))
    library.away = {order[0]}
    result = await library.searcher.search(query)
    assert outcome(result) is RerankOutcome.PARTLY
    assert found(result)[0] == order[0]
    assert found(result)[1] == right != order[0]
    said = explained_parts(result.hits[0], Language.ENGLISH)
    assert "the second model could not see it in time (first stage: 1)" in said
    library.away = set(order)
    nothing = await library.searcher.search(replace(query, asker=UserId(7)))
    assert (outcome(nothing), found(nothing)) == (RerankOutcome.UNSEEN, order)


async def test_a_question_downloads_so_many_small_copies_and_no_more(tmp_path: Path) -> None:
    async with two_stages(tmp_path, replace(REPLACES, downloads=2)) as library:
        library.remote = set(await relations(library))
        result = await library.searcher.search(ask("cat left dog"))
        assert library.downloaded == 2
        assert result.reranked is not None
        assert (result.reranked.outcome, result.reranked.scored) == (RerankOutcome.PARTLY, 2)


async def test_out_of_memory_it_takes_half_and_never_more_again(library: TwoStages) -> None:
    right, *_ = await relations(library, 6)
    library.second.memory = 3
    result = await library.searcher.search(ask("cat left dog"))
    assert (outcome(result), found(result)[0]) == (RerankOutcome.DONE, right)
    assert library.stage._batch.now == 3, "half of seven"
    library.second.memory = 0
    query = ask("cat left dog", asker=UserId(7), count=10)
    result = await library.searcher.search(query)
    assert outcome(result) is RerankOutcome.MEMORY
    assert found(result) == found(await first_alone(library, query))
    assert rerank_note(result, Language.ENGLISH) == "ordered by the first model alone: the second had too little memory"


async def test_after_the_deadline_the_first_stages_answer_stands(tmp_path: Path) -> None:
    async with two_stages(tmp_path, RerankSettings(budget_s=0.1)) as library:
        await relations(library)
        query = ask("cat left dog", count=10)
        library.second.gate = asyncio.Event()
        result = await library.searcher.search(query)
        # Which of the two it is hangs on how long the readers took to start.
        assert outcome(result) in (RerankOutcome.DEADLINE, RerankOutcome.LOADING)
        assert found(result) == found(await first_alone(library, query))
        assert rerank_note(result, Language.GERMAN).startswith("nur vom ersten Modell geordnet: das zweite")
        assert (await library.searcher.search(query)).reranked is not None, "it is tried again"


async def test_without_its_weights_the_first_stage_answers_and_it_is_not_tried_at_every_question(
    tmp_path: Path,
) -> None:
    tried = 0

    @asynccontextmanager
    async def missing() -> AsyncIterator[Reranker]:
        nonlocal tried
        tried += 1
        if tried:
            raise ModelUnavailable("there are no weights")
        yield DualReranker(OrderedEncoder())

    async with two_stages(tmp_path, REPLACES, missing) as library:
        await relations(library)
        for number in range(3):
            query = ask("cat left dog", count=10, asker=UserId(number))
            result = await library.searcher.search(query)
            assert outcome(result) is RerankOutcome.WEIGHTS
            assert found(result) == found(await first_alone(library, query))
        assert tried == 1
        assert library.faults.count("second model") == 1


async def test_any_error_of_the_second_model_costs_its_order_alone(library: TwoStages) -> None:
    right, *_ = await relations(library)
    library.second.error = ZeroDivisionError("by a picture")
    query = ask("cat left dog", count=10)
    result = await library.searcher.search(query)
    assert outcome(result) is RerankOutcome.FAILED
    assert found(result) == found(await first_alone(library, query))
    assert library.faults.count("second model") == 1
    library.second.error = None
    assert found(await library.searcher.search(query))[0] == right, "a failure is not remembered"


async def test_a_repeated_question_makes_no_features_and_another_members_does(library: TwoStages) -> None:
    """How soon an answer comes, and what the second model has seen, must not tell that somebody asked."""
    await relations(library)
    one, two = UserId(1), UserId(2)
    await library.searcher.search(ask("cat left dog", asker=one))
    made = library.second.pictures
    assert made == 4
    await library.searcher.search(ask("dog left cat", asker=one))
    assert library.second.pictures == made
    await library.searcher.search(ask("cat left dog", asker=two))
    assert library.second.pictures == 2 * made
    await library.searcher.search(ask("cat left dog", stages=Stages.BOTH))
    assert library.second.pictures == 2 * made, "whoever runs the bot measures with what is there"


async def test_after_a_start_features_of_before_serve_everybody(library: TwoStages, tmp_path: Path) -> None:
    right, *_ = await relations(library)
    await library.searcher.search(ask("cat left dog", asker=UserId(1)))
    made = library.second.pictures
    settings = Settings(data_dir=tmp_path, rerank=replace(REPLACES, kind="open_clip"))
    await asyncio.sleep(0.002)  # they were made before the start, in milliseconds
    async with searching(library, settings):
        result = await library.searcher.search(ask("cat left dog", asker=UserId(2)))
    assert (found(result)[0], library.second.pictures) == (right, made)


async def test_features_of_a_forgotten_picture_leave_the_file_to_the_last_byte(
    library: TwoStages, tmp_path: Path
) -> None:
    right, *_ = await relations(library)
    await library.searcher.search(ask("cat left dog"))
    settings = Settings(data_dir=tmp_path, rerank=replace(REPLACES, kind="open_clip"))
    kept = KeptFeatures(library.db, settings)
    await kept.of_model(library.second.spec)
    digests = [decoded("cat left dog").sha256, decoded("dog left cat #0").sha256]
    features = await kept.of(None, digests, all_=True)
    gone, stays = (features[sha256].astype("<f2").tobytes() for sha256 in digests)
    assert (await kept.status()).count == 4

    def on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE_NAME}*"))

    async with library.db.transaction() as tx:
        await messages.delete(tx, [right])
    async with kept:  # closed afterwards: what stands in the log of writes is in the file
        assert await forget.purge(library.db, kept.purge)
    content = await asyncio.to_thread(on_disk)
    assert gone[:64] not in content
    assert stays[:64] in content
    off = KeptFeatures(library.db, Settings(data_dir=tmp_path))
    assert await off.purge(), "switched off, nothing of it stays"
    assert not await asyncio.to_thread(on_disk)


async def test_nobody_needs_it_and_it_goes_until_somebody_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_model, "LOOK_S", 0.01)
    async with two_stages(tmp_path, replace(REPLACES, idle_s=0.05)) as library:
        right, *_ = await relations(library)
        model = library.stage._model
        assert model.starts == 0, "nothing is opened before the first question"
        await library.searcher.search(ask("cat left dog", asker=UserId(1)))
        await until(lambda: not model.awake)
        assert found(await library.searcher.search(ask("cat left dog", asker=UserId(2))))[0] == right
        assert model.starts == 2


async def test_kept_features_are_scored_as_long_as_the_budget_allows(
    library: TwoStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relations(library, 12)
    query = ask("cat left dog", count=20, asker=UserId(1))
    assert outcome(await library.searcher.search(query)) is RerankOutcome.DONE
    now_s, scores = 0.0, DualReranker.words_scores

    async def slow_scores(self: DualReranker, asker: UserId | None, words: str, features: Features) -> Scores:
        nonlocal now_s
        now_s += DEADLINE_S / 5 * len(features)
        return await scores(self, asker, words, features)

    monkeypatch.setattr(DualReranker, "words_scores", slow_scores)
    monkeypatch.setattr(rerank, "monotonic", lambda: now_s)
    result = await library.searcher.search(replace(query, words="cat left dogs"))
    assert result.reranked is not None
    assert (result.reranked.outcome, result.reranked.scored) == (RerankOutcome.PARTLY, 5)
    assert now_s == pytest.approx(DEADLINE_S), "no batch was begun that would have come too late"


async def test_its_process_is_known_while_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_model, "LOOK_S", 0.01)

    @asynccontextmanager
    async def open_second() -> AsyncIterator[Reranker]:
        yield DualReranker(OrderedEncoder(), lambda: 4711)

    async with two_stages(tmp_path, replace(REPLACES, idle_s=0.05), open_second) as library:
        before = library.stage.pid
        await library.stage.wake()
        assert (before, library.stage.pid) == (None, 4711)
        await until(lambda: library.stage.pid is None)


async def test_measured_without_and_by_the_second_model_alone(tmp_path: Path) -> None:
    async with two_stages(tmp_path, replace(REPLACES, fusion="weighted", weight=0.0)) as library:
        right, *_ = await relations(library)
        query = ask("cat left dog", count=10)
        order = found(await first_alone(library, query))
        assert found(await library.searcher.search(query)) == order
        alone = await library.searcher.search(replace(query, stages=Stages.SECOND))
        assert found(alone)[0] == right
        without = await library.searcher.search(replace(query, stages=Stages.FIRST))
        assert (found(without), without.reranked) == (order, None)


async def test_words_of_many_questions_are_learned_together(library: TwoStages) -> None:
    await relations(library)
    await library.searcher.search(ask("cat"))
    library.second.asked.clear()
    await library.searcher.learn_words([ask("cat left dog"), ask("dog left cat"), ask("cat")])
    learned = len([text for text, _ in library.second.asked if text != "pixels"])
    assert learned == 2
    await library.searcher.search(ask("cat left dog"))
    assert len([text for text, _ in library.second.asked if text != "pixels"]) == learned


class Child:
    """A re-ranker whose model is a process: that of tests/worlds/model_child.py."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.encoder: ModelEncoder

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Reranker]:
        settings = ModelSettings(name="fake", pretrained=str(self.folder))
        async with open_encoder(settings, worker="tests.worlds.model_child") as self.encoder:
            yield DualReranker(self.encoder)


async def test_a_child_that_dies_in_mid_batch_is_started_again_and_one_that_always_dies_costs_its_order_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "indexer")
    monkeypatch.setattr(model_on_demand, "AGAIN", Backoff(tries=0, first_s=0.01, longest_s=0.01))
    folder = tmp_path / "child"
    folder.mkdir()
    child = Child(folder)
    async with two_stages(tmp_path, REPLACES, child.open) as library:
        await relations(library)
        await library.stage.learn([ask("cat left dog")])  # opens it, too
        before = child.encoder.pid
        assert before is not None
        (folder / "hold").touch()
        so_far = caplog.text.count("asked for [")
        asking = asyncio.create_task(library.searcher.search(ask("cat left dog")))
        await until(lambda: caplog.text.count("asked for [") > so_far)
        kill(before)
        (folder / "hold").unlink()
        assert outcome(await asking) is RerankOutcome.DONE
        assert child.encoder.pid != before
        (folder / "deadly").touch()
        query = ask("cat left dog", asker=UserId(7), count=10)
        result = await library.searcher.search(query)
        assert outcome(result) is RerankOutcome.FAILED
        assert found(result) == found(await first_alone(library, query))
