"""Word search: BM25 over what messages say, what their files are called and how their pictures are described.

A member's text never reaches FTS5 as syntax: it is cut into terms here, and each term is passed as a quoted string,
with its quotes doubled. Runs of letters of scripts that put no spaces between words are looked up as trigrams.
"""

from __future__ import annotations

import json
import math
import re
import time
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import aiosqlite

from indexer.model import (
    ChannelId,
    Filter,
    GuildId,
    MessageId,
    PictureId,
    Place,
    PlaceFlag,
    PlaceId,
    UserId,
)
from indexer.search.cache import Recent
from indexer.search.lookup import filter_values

# Terms of one search; what stands behind them says little more, and each costs a walk through its list of messages.
MAX_TERMS = 12
# A word that everybody says must not make a search slow. Of the messages that say it, the newest MAX_WALKED inside the
# time span are held against the other filters (0.3 µs each), and of what is left the newest MAX_RANKED are ranked
# (1.2 µs each): measured at most 6 ms over 100,000 messages, against 80 ms for ranking all.
MAX_WALKED = 10_000
MAX_RANKED = 2_000
# A word in more messages than this is left out where rarer words are asked for: it would fill the walk with its own.
COMMON = 5_000
REMEMBERED_WORDS = 4_096
REMEMBERED_S = 600.0
COUNTED_ANEW = 1_000  # messages up to which they are counted at each question: under a millisecond
# Trigrams that may stand for one or two letters.
MAX_TRIGRAMS = 200
# bm25() weights of content, file names, alt texts: who describes a picture in its alt text means the picture.
WEIGHTS = (1.0, 1.0, 2.0)

# The same letters as in migrations/0003: Thai, Lao, Tibetan, Myanmar, Khmer, kana, Han, Hangul.
_UNSPACED = re.compile(r"[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]+")
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Terms:
    """A text cut for FTS5. `spaced` are words of scripts with spaces, `unspaced` runs of the other letters.

    A term is its words in order (more than one: a phrase) and whether the last may go on (`cat*`).
    """

    spaced: tuple[tuple[str, bool], ...] = ()
    unspaced: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spaced or self.unspaced)


class Corpus:
    """How common words are among the messages of all guilds, remembered for a while: SQLite counts them one by one.

    Only what a word is worth hangs on it, so an old count does no harm. Belongs to one database.
    """

    def __init__(self) -> None:
        self._counts: Recent[str, tuple[float, int]] = Recent(REMEMBERED_WORDS)
        self._messages = (-math.inf, 0)

    async def messages(self, connection: aiosqlite.Connection) -> int:
        """About how many messages there are; while they are few, exactly."""
        known, count = self._messages
        if time.monotonic() - known > REMEMBERED_S or count < COUNTED_ANEW:
            ((count,),) = await connection.execute_fetchall("SELECT count(*) FROM texts")
            self._messages = (time.monotonic(), int(count))
        return int(count)

    async def saying(self, connection: aiosqlite.Connection, word: str) -> int:
        """About how many messages say the word; 1 where none does, or none is known to."""
        term = _folded(word)
        known = self._counts.get(term)
        if known is None or time.monotonic() - known[0] > REMEMBERED_S:
            rows = list(await connection.execute_fetchall("SELECT doc FROM words_terms WHERE term = ?", (term,)))
            known = (time.monotonic(), int(rows[0][0]) if rows else 1)
            if known[1] >= COUNTED_ANEW:  # a rare one is quickly counted, and quickly twice as common
                self._counts.put(term, known)
        return known[1]


@dataclass(frozen=True, slots=True)
class WordHit:
    """A picture whose message says the words. `bm25` is larger for better, unlike FTS5's own.

    `share` (0–1] says how much of what was asked for the message says, rare words counting more than common ones.
    """

    picture_id: PictureId
    place: Place
    bm25: float
    share: float = 1.0


def cut(text: str) -> Terms:
    """The words of `text` as terms, each once, at most MAX_TERMS."""
    spaced: dict[tuple[str, bool], None] = {}
    unspaced: dict[str, None] = {}
    for raw in _clean(text).split():
        for run in _UNSPACED.findall(raw):
            unspaced[run] = None
        rest = _UNSPACED.sub(" ", raw)
        for word in rest.split():
            prefix = word.endswith("*")
            if _has_token(word):
                spaced[word.rstrip("*"), prefix] = None
    return Terms(tuple(spaced)[:MAX_TERMS], tuple(unspaced)[:MAX_TERMS])


def cut_phrase(text: str) -> Terms:
    """The words of `text` as one term: they must stand side by side."""
    clean = " ".join(_clean(text).split())
    unspaced = tuple(_UNSPACED.findall(clean))
    spaced = " ".join(_UNSPACED.sub(" ", clean).split())
    prefix = spaced.endswith("*")
    return Terms(((spaced.rstrip("*"), prefix),) if _has_token(spaced) else (), unspaced[:MAX_TERMS])


def quoted(term: str) -> str:
    """A string of FTS5's query language that means exactly these characters."""
    return '"' + term.replace('"', '""') + '"'


async def ranked(
    connection: aiosqlite.Connection,
    guild_id: GuildId,
    text: str,
    filter: Filter,
    limit: int,
    *,
    phrases: Sequence[str] = (),
    without: Sequence[str] = (),
    corpus: Corpus,
) -> list[WordHit]:
    """Pictures inside the filter whose messages say some of the words and all of the phrases, best first.

    A picture comes once, with the place whose message ranks best;
    newer messages first where two rank the same.
    """
    cut_phrases = [cut_phrase(phrase) for phrase in phrases]
    terms = cut(text)
    # bm25 adds up every term of the query that a text has, whatever stands between the terms: so a phrase that must be
    # there narrows the search, and the other words still count.
    said_by = {(word, prefix): 1 if prefix else await corpus.saying(connection, word) for word, prefix in terms.spaced}
    rare = _without_common(said_by)
    spaced = [_fts(word, prefix) for word, prefix in rare]
    must = [_fts(word, prefix) for phrase in cut_phrases for word, prefix in phrase.spaced]
    unspaced = [await _trigrams(connection, run) for run in terms.unspaced]
    scores: dict[int, float] = {}
    if match := _all_and_any(must, spaced):
        # A beginning (`cat*`) was not counted, and a phrase is in no more messages than its rarest word: unknown.
        counted = not any(prefix for _, prefix in rare) and not must
        few = counted and sum(said_by[term] for term in rare) <= MAX_WALKED // 2
        scores.update(await _match(connection, "words", match, guild_id, filter, few=few))
    if match := _or(unspaced):
        for message_id, bm25 in await _match(connection, "words_trigram", match, guild_id, filter, few=False):
            scores[message_id] = scores.get(message_id, 0.0) + bm25
    order = sorted(scores, key=lambda message_id: (-scores[message_id], -message_id))
    for phrase in cut_phrases:
        saying = await saying_all(connection, phrase, order)
        order = [message_id for message_id in order if message_id in saying]
    for unwanted in without:
        saying = await saying_all(connection, cut_phrase(unwanted), order)
        order = [message_id for message_id in order if message_id not in saying]
    order = order[: 2 * limit]
    weighed = [("words", _fts(*term), said_by[term]) for term in rare]
    weighed += [("words_trigram", match, 1) for match in unspaced]
    shares = await _shares(connection, weighed, order, await corpus.messages(connection))
    return await _pictures(connection, order, scores, shares, filter, limit)


async def saying_all(
    connection: aiosqlite.Connection, phrase: Terms, message_ids: Collection[int]
) -> frozenset[MessageId]:
    """Those of the messages that say the phrase. An empty phrase is said by none."""
    if not (phrase and message_ids):
        return frozenset()
    left = frozenset(message_ids)
    for word, prefix in phrase.spaced:
        left = await _among(connection, "words", _fts(word, prefix), left)
    for run in phrase.unspaced:
        left = await _among(connection, "words_trigram", await _trigrams(connection, run), left)
    return frozenset(MessageId(message_id) for message_id in left)


async def _among(
    connection: aiosqlite.Connection, table: str, match: str, message_ids: frozenset[int]
) -> frozenset[int]:
    if not (match and message_ids):
        return frozenset()
    rows = await connection.execute_fetchall(
        f"SELECT rowid FROM {table} WHERE {table} MATCH ?"  # noqa: S608 -- one of two constants
        # The plus keeps FTS5 from starting the query anew for each id: 0.3 to 5 ms instead of 13.
        " AND rowid >= ? AND rowid <= ? AND +rowid IN (SELECT value FROM json_each(?))",
        (match, min(message_ids), max(message_ids), json.dumps(sorted(message_ids))),
    )
    return frozenset(message_id for (message_id,) in rows)


async def _match(
    connection: aiosqlite.Connection, table: str, match: str, guild_id: GuildId, filter: Filter, *, few: bool
) -> list[tuple[int, float]]:
    """Messages inside the filter that match, with bm25 turned so that larger is better: the newest MAX_RANKED.

    `few`: known to be fewer than MAX_WALKED, so that nobody has to look where those begin.
    """
    if not match:
        return []
    beginning = (
        ":low"
        if few
        else f"(SELECT min(rowid) FROM (SELECT rowid FROM {table} WHERE {table} MATCH :match"  # noqa: S608 -- a constant
        " AND rowid >= :low AND rowid < :high ORDER BY rowid DESC LIMIT :walked))"
    )
    weights = ", ".join(map(str, WEIGHTS)) if table == "words" else "1.0"
    rows = await connection.execute_fetchall(
        f"SELECT w.rowid, -bm25({table}, {weights}) FROM {table} w CROSS JOIN messages m ON m.message_id = w.rowid"  # noqa: S608 -- constants
        f" WHERE {table} MATCH :match AND w.rowid < :high AND w.rowid >= {beginning}"
        " AND m.guild_id = :guild AND m.channel_id IN (SELECT value FROM json_each(:channels))"
        " AND (:authors IS NULL OR m.author_id IN (SELECT value FROM json_each(:authors)))"
        " AND m.message_id IS NOT :not_message ORDER BY w.rowid DESC LIMIT :limit",
        {
            **filter_values(filter),
            "match": match,
            "guild": guild_id,
            "walked": MAX_WALKED,
            "limit": MAX_RANKED,
        },
    )
    return [(message_id, bm25) for message_id, bm25 in rows]


async def _pictures(
    connection: aiosqlite.Connection,
    message_ids: Sequence[int],
    scores: Mapping[int, float],
    shares: Mapping[int, float],
    filter: Filter,
    limit: int,
) -> list[WordHit]:
    rows = await connection.execute_fetchall(
        "SELECT p.picture_id, p.message_id, p.place_id, m.channel_id, m.author_id, p.flags"
        " FROM places p JOIN messages m USING (message_id)"
        " WHERE p.message_id IN (SELECT value FROM json_each(?)) AND p.state = 'ready'"
        " AND (p.flags & ?) = ? AND (p.flags & ?) = 0 ORDER BY p.ordinal",
        (json.dumps(list(message_ids)), int(filter.require), int(filter.require), int(filter.exclude)),
    )
    shown: dict[int, list[tuple[int, Place]]] = {}
    for picture_id, message_id, place_id, channel_id, author_id, flags in rows:
        place = Place(
            MessageId(message_id), PlaceId(place_id), ChannelId(channel_id), UserId(author_id), PlaceFlag(flags)
        )
        shown.setdefault(message_id, []).append((picture_id, place))
    hits: dict[int, WordHit] = {}
    for message_id in message_ids:
        for picture_id, place in shown.get(message_id, ()):
            hits.setdefault(picture_id, WordHit(PictureId(picture_id), place, scores[message_id], shares[message_id]))
    return list(hits.values())[:limit]


def _without_common(said_by: Mapping[tuple[str, bool], int]) -> list[tuple[str, bool]]:
    """The terms without those that nearly every message says, unless nothing else is asked for."""
    return [term for term, count in said_by.items() if count <= COMMON] or list(said_by)


async def _shares(
    connection: aiosqlite.Connection, terms: Sequence[tuple[str, str, int]], message_ids: Sequence[int], documents: int
) -> dict[int, float]:
    """How much of the question each message says: the sum of its words' inverse document frequencies, over all of them.

    A term is (table, FTS5 expression, in how many messages it stands).
    """
    if len(terms) <= 1:
        return dict.fromkeys(message_ids, 1.0)
    total = 0.0
    found = dict.fromkeys(message_ids, 0.0)
    for table, match, count in terms:
        worth = math.log(1 + max(documents, len(message_ids), count) / count)
        total += worth
        for message_id in await _among(connection, table, match, frozenset(message_ids)):
            found[message_id] += worth
    return {message_id: sum_ / total for message_id, sum_ in found.items()}


async def _trigrams(connection: aiosqlite.Connection, run: str) -> str:
    """The FTS5 expression for a run of letters; empty where nothing can match."""
    if len(run) >= 3:
        return quoted(run)
    rows = await connection.execute_fetchall(
        "SELECT term FROM words_trigram_terms WHERE term >= ? AND term < ? ORDER BY doc DESC LIMIT ?",
        (run, run + _LAST, MAX_TRIGRAMS),
    )
    return _or(quoted(term) for (term,) in rows)


def _fts(word: str, prefix: bool) -> str:
    return quoted(word) + ("*" if prefix else "")


def _or(expressions: Iterable[str]) -> str:
    return " OR ".join(f"({expression})" for expression in expressions if expression)


def _all_and_any(must: Sequence[str], any_of: Sequence[str]) -> str:
    """Has every one of `must`, and is ranked by those and `any_of`; without `must`, has at least one of `any_of`."""
    if not must:
        return _or(any_of)
    return " AND ".join(must) + f" AND ({_or([*any_of, must[0]])})"


def _clean(text: str) -> str:
    """NUL would end the query, and lone surrogates cannot be passed to SQLite at all."""
    return "".join(" " if character == "\0" or "\ud800" <= character <= "\udfff" else character for character in text)


def _has_token(word: str) -> bool:
    """Whether unicode61 finds a token in it: letters, numbers and private-use characters are, signs are not."""
    return any(unicodedata.category(character)[0] in "LN" or character == "\ue000" for character in word)


def _folded(word: str) -> str:
    """As unicode61 with remove_diacritics stores it, near enough to look up how common it is."""
    decomposed = unicodedata.normalize("NFD", word.lower())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
