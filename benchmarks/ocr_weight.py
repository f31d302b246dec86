"""How much words in a picture should count beside words of its message: the same questions under several weights.

Each question has three names. Either a picture says all of them among other words and a message says two, or a message
says all and a picture two. The right answer says all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

from benchmarks.ocr_pictures import SCRIPTS, names
from benchmarks.report import Report
from indexer.database.database import open_database
from indexer.query.grammar import parse
from indexer.records.ids import MessageId, UserId
from indexer.records.picture_texts import TextKind
from indexer.text import bm25
from tests.worlds.library import Library, ask

WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0)
QUESTIONS = 60  # of each of the two kinds
IN_PICTURE, IN_MESSAGE = 24, 6  # other names that stand there


async def first_hit(library: Library, words: str, asker: UserId | None = None) -> MessageId | None:
    """The message of the first hit, over both public channels. An answer is remembered for its asker."""
    result = await library.searcher.search(replace(ask().asked_by(parse(words, 0)), asker=asker))
    return result.hits[0].place.message_id if result.hits else None


async def measure(report: Report, folder: Path) -> None:
    """A row for each weight."""
    rng = Random(11)
    known = names(SCRIPTS[0])
    asked: list[tuple[str, MessageId]] = []
    async with open_database(folder) as db:
        library = Library(db, folder / "index")
        await library.open()
        for number in range(2 * QUESTIONS):
            question = rng.sample(known, 3)
            in_picture, in_message = (3, 2) if number % 2 else (2, 3)
            picture = await library.post(f"shot{number}")
            await library.says(picture, _among(rng, question[:in_picture], IN_PICTURE))
            message = await library.post(f"photo{number}", say=_among(rng, question[:in_message], IN_MESSAGE))
            asked.append((" ".join(question), picture if in_picture == 3 else message))
        usual = bm25.SHOWN_WEIGHTS
        try:
            for number, weight in enumerate(WEIGHTS):
                bm25.SHOWN_WEIGHTS = {**usual, TextKind.OCR: weight}
                found = [await first_hit(library, words, UserId(number)) == right for words, right in asked]
                now = ", which is in force" if weight == usual[TextKind.OCR] else ""
                report.row(f"words in pictures weigh {weight}{now}: recall@1", sum(found) / len(found), "")
        finally:
            bm25.SHOWN_WEIGHTS = usual
        library.index.close()


def _among(rng: Random, these: list[str], others: int) -> str:
    said = [*these, *rng.sample(names(SCRIPTS[0]), others)]
    rng.shuffle(said)
    return " ".join(said)
