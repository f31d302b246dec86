"""Text search: BM25 over what messages say, what their files are called, how their pictures are described, and what
the pictures say themselves.

Nothing that is counted or cut off here looks past the asker's filter. FTS5 finds messages of all channels; each is held
against the filter before it counts towards any limit (docs/adr/0019). What pictures say has an index of its own, with
the same numbers for rows: the messages that show them (docs/adr/0027).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import aiosqlite

from indexer.database.connections import in_thread
from indexer.records.hits import Filter, Place
from indexer.records.ids import ChannelId, GuildId, MessageId, PictureId, PlaceId, UserId
from indexer.records.messages import PlaceFlag
from indexer.store import picture_texts
from indexer.store.filter_sql import MESSAGE_INSIDE, MESSAGE_INSIDE_BY_ID, PLACE_ITSELF_INSIDE, filter_values
from indexer.text.bm25 import Columns, Ranked, Said, Scope, rank, worth
from indexer.text.terms import Term, cut, cut_phrase, quoted

# A word that everybody says must not make a search slow: of the messages inside the filter that say it, the newest are
# looked at, one in WALKED_SHARE of all that are inside, but not fewer than LEAST_WALKED. Where the word is as common
# elsewhere, that walks over one in WALKED_SHARE of all messages, whatever part of them the asker may see.
WALKED_SHARE, LEAST_WALKED, MOST_WALKED = 40, 256, 500
# A word in more messages than this is left out where rarer words are asked for: it says nothing beside them.
COMMON = 5_000
# How far back it is counted how many messages there are to each that says a word: beyond, a figure would change little.
RATE_WALKED = 8
# Of all candidates so many, for each one wanted, are read and ranked: they come by the worth of what they say.
RANKED_A_HIT = 2
# Trigrams that may stand for one or two letters; of more, the texts themselves are read.
MAX_TRIGRAMS = 200
_LAST = "\U0010ffff"

# CROSS: from the words to their messages.
_MATCHING = (
    "SELECT w.rowid FROM {table} w CROSS JOIN messages m ON m.message_id = w.rowid WHERE {table} MATCH :match"  # noqa: S608 -- constants
    " AND w.rowid >= :low AND w.rowid < :high AND m.guild_id = :guild AND "
    + MESSAGE_INSIDE_BY_ID
    + " ORDER BY w.rowid DESC LIMIT :limit"
)
# How many messages inside the filter are not older than each of `:lows`; counted as far as `:most`.
_NEWER_INSIDE = (
    "SELECT j.value, (SELECT count(*) FROM (SELECT 1 FROM messages m WHERE "  # noqa: S608 -- constants
    + MESSAGE_INSIDE.replace(":low", "j.value")
    + " LIMIT :most)) FROM json_each(:lows) j"
)
_HOLDING = (
    "SELECT m.message_id FROM messages m CROSS JOIN {texts} t ON t.message_id = m.message_id WHERE"  # noqa: S608 -- constants
    " m.guild_id = :guild AND " + MESSAGE_INSIDE_BY_ID + " AND {holds}"
    " ORDER BY m.message_id DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class _Index:
    """One of the two indexes: its tables, and what of its texts holds a run of letters `:run`."""

    texts: str
    words: str
    trigrams: str
    holds: str


_SAID = _Index(
    "texts",
    "words",
    "words_trigram",
    "(instr(t.content, :run) OR instr(t.file_names, :run) OR instr(t.alt_texts, :run))",
)
_SHOWN = _Index("shown_texts", "shown_words", "shown_words_trigram", "instr(t.body, :run)")


_AMONG = " UNION ALL ".join(
    f"SELECT rowid FROM {index.words} WHERE {index.words} MATCH :match"  # noqa: S608 -- constants
    # The plus keeps FTS5 from starting the query anew for each id: 0.3 to 5 ms instead of 13.
    " AND rowid >= :low AND rowid <= :high AND +rowid IN (SELECT value FROM json_each(:ids))"
    for index in (_SAID, _SHOWN)
)
_AMONG_UNSPACED = " UNION ALL ".join(
    f"SELECT message_id FROM {index.texts} t WHERE message_id IN (SELECT value FROM json_each(:ids)) AND {index.holds}"  # noqa: S608 -- constants
    for index in (_SAID, _SHOWN)
)


@dataclass(frozen=True, slots=True)
class WordHit:
    """A picture whose message says the words, or that says them itself. The numbers are those of bm25.Figures.

    `shown`: what of `bm25` each kind of the picture's own texts adds.
    """

    picture_id: PictureId
    place: Place
    bm25: float
    share: float = 1.0
    shown: Mapping[str, float] = field(default_factory=dict)


async def ranked(
    connection: aiosqlite.Connection,
    guild_id: GuildId,
    text: str,
    filter: Filter,
    limit: int,
    *,
    phrases: Sequence[str] = (),
    without: Sequence[str] = (),
) -> list[WordHit]:
    """Pictures inside the filter whose messages say some of the words and all of the phrases, best first.

    A picture comes once, with the place whose message ranks best; newer messages first where two rank the same.
    """
    return await in_thread(
        connection, lambda raw: _ranked(raw, guild_id, text, filter, limit, phrases=phrases, without=without)
    )


async def saying_all(
    connection: aiosqlite.Connection, phrase: Sequence[Term], message_ids: Collection[int]
) -> frozenset[MessageId]:
    """Those of the messages that say all of the terms, their pictures included. No term at all is said by none."""
    return await in_thread(connection, lambda raw: _saying_all(raw, phrase, message_ids))


def _ranked(
    connection: sqlite3.Connection,
    guild_id: GuildId,
    text: str,
    filter: Filter,
    limit: int,
    *,
    phrases: Sequence[str],
    without: Sequence[str],
) -> list[WordHit]:
    inside = _Inside(connection, guild_id, filter, _scope(connection, guild_id, filter))
    must = [cut_phrase(phrase) for phrase in phrases]
    terms = inside.said([*cut(text), *(term for phrase in must for term in phrase)], must)
    order = inside.candidates(terms)[:MOST_WALKED]
    for phrase in must:
        saying = _saying_all(connection, phrase, order)
        order = [message_id for message_id in order if message_id in saying]
    for unwanted in without:
        saying = _saying_all(connection, cut_phrase(unwanted), order)
        order = [message_id for message_id in order if message_id not in saying]
    looked_at = [MessageId(message_id) for message_id in order[: RANKED_A_HIT * limit]]
    texts = _texts(connection, looked_at)
    shown = picture_texts.shown_by(connection, looked_at) if inside.scope.shown else {}
    best = rank(texts, shown, terms, inside.scope)
    hits: dict[int, WordHit] = {}
    for start in range(0, len(best), limit):
        if len(hits) < limit:  # what the first messages show is mostly enough
            for hit in _pictures(connection, best[start : start + limit], filter):
                known = hits.get(hit.picture_id)
                if known is None or hit.bm25 > known.bm25:
                    hits[hit.picture_id] = hit
    # Pictures of one message may say more or less than the next message does.
    return sorted(hits.values(), key=lambda hit: (-hit.bm25, -hit.place.message_id))[:limit]


def _saying_all(
    connection: sqlite3.Connection, phrase: Sequence[Term], message_ids: Collection[int]
) -> frozenset[MessageId]:
    left = frozenset(message_ids) if phrase else frozenset()
    for term in phrase:
        left = _among(connection, term, left)
    return frozenset(MessageId(message_id) for message_id in left)


class _Inside:
    """What is said inside one filter."""

    def __init__(self, connection: sqlite3.Connection, guild_id: GuildId, filter: Filter, scope: Scope) -> None:
        self._connection = connection
        self._values: Mapping[str, object] = {"guild": guild_id, **filter_values(filter)}
        self._most = min(max(scope.texts // WALKED_SHARE, LEAST_WALKED), MOST_WALKED)
        self.scope = scope

    def said(self, terms: Sequence[Term], must: Sequence[Sequence[Term]]) -> list[Said]:
        """Each of the terms with the newest messages that say it (and the phrases, as far as words have spaces).

        Terms that very many messages say are left out, unless they must be there or nothing else is asked for.
        """
        phrases = {term for phrase in must for term in phrase}
        needed = [term.match for phrase in must for term in phrase if not term.unspaced]
        found = self._counted([self._said(term, needed) for term in dict.fromkeys(terms)])
        kept = [said for said in found if said.count <= COMMON or said.term in phrases] or found
        spaced = [said for said in kept if not said.term.unspaced]
        if len(spaced) < 2 or any(len(said.message_ids) < self._most for said in spaced):
            return kept
        # Each is said so often that only the newest were looked at: who says all of them may be older.
        all_of_them = [said.term.match for said in spaced]
        own = frozenset(self._matching(_SAID.words, [*needed, *all_of_them]))
        shown = frozenset(self._matching(_SHOWN.words, all_of_them) if self.scope.shown else ())
        return [
            said
            if said.term.unspaced
            else replace(said, message_ids=said.message_ids | own, shown_ids=said.shown_ids | shown)
            for said in kept
        ]

    def candidates(self, terms: Sequence[Said]) -> list[int]:
        """All messages that say one of the terms: first those that say more of it, then the newest."""
        sums: dict[int, float] = {}
        for said in terms:
            value = worth(said.count, self.scope.texts)
            for message_id in said.said_by:
                sums[message_id] = sums.get(message_id, 0.0) + value
        newest_first = sorted(sums, reverse=True)
        return sorted(newest_first, key=sums.__getitem__, reverse=True)  # keeps the order of equals

    def _said(self, term: Term, needed: Sequence[str]) -> Said:
        own = self._newest(_SAID, term, needed)
        # Each term alone: the phrase may stand in the message, the word in its picture. `ranked` checks the phrases.
        shown = self._newest(_SHOWN, term, ()) if self.scope.shown else []
        found = sorted({*own, *shown}, reverse=True)[: self._most] if shown else own
        kept, count = frozenset(found), float(len(found))
        return Said(term, kept & set(own), count, kept & set(shown)) if shown else Said(term, kept, count)

    def _counted(self, terms: Sequence[Said]) -> list[Said]:
        """The same terms. Where only the newest messages were looked at, it is said at the same rate further back."""
        oldest = [min(said.said_by) if said.count >= self._most else None for said in terms]
        lows = [low for low in oldest if low is not None]
        if not lows:
            return list(terms)
        rows = self._connection.execute(
            _NEWER_INSIDE, {**self._values, "lows": json.dumps(lows), "most": RATE_WALKED * self._most}
        )
        newer: dict[int, int] = {int(low): int(count) for low, count in rows}
        return [
            said if low is None else replace(said, count=said.count * max(self.scope.texts / max(newer[low], 1), 1.0))
            for said, low in zip(terms, oldest, strict=True)
        ]

    def _newest(self, index: _Index, term: Term, needed: Sequence[str]) -> list[int]:
        if not term.unspaced:
            return self._matching(index.words, dict.fromkeys([*needed, term.match]))
        if len(term.text) >= 3:
            return self._matching(index.trigrams, [quoted(term.text)])
        rows = self._connection.execute(
            f"SELECT term FROM {index.trigrams}_terms WHERE term >= ? AND term < ? LIMIT ?",  # noqa: S608 -- a constant
            (term.text, term.text + _LAST, MAX_TRIGRAMS + 1),
        )
        trigrams = [quoted(trigram) for (trigram,) in rows]
        if len(trigrams) <= MAX_TRIGRAMS:
            return self._matching(index.trigrams, [" OR ".join(trigrams)]) if trigrams else []
        rows = self._connection.execute(
            _HOLDING.format(texts=index.texts, holds=index.holds),
            {**self._values, "run": term.text, "limit": self._most},
        )
        return [message_id for (message_id,) in rows]

    def _matching(self, table: str, matches: Iterable[str]) -> list[int]:
        rows = self._connection.execute(
            _MATCHING.format(table=table), {**self._values, "match": " AND ".join(matches), "limit": self._most}
        )
        return [message_id for (message_id,) in rows]


def _scope(connection: sqlite3.Connection, guild_id: GuildId, filter: Filter) -> Scope:
    """Of the filter's channels; where it also names authors or times, the number is counted inside of these."""
    values = {"guild": guild_id, **filter_values(filter)}
    rows = connection.execute(
        "SELECT ifnull(sum(texts), 0), ifnull(sum(characters), 0), ifnull(sum(shown), 0),"
        " ifnull(sum(shown_characters), 0) FROM channel_texts"
        " WHERE channel_id IN (SELECT value FROM json_each(:channels))",
        values,
    )
    ((texts, characters, shown, shown_characters),) = rows
    mean = characters / texts if texts else 1.0
    if filter.authors is not None or filter.after_ms is not None or filter.before_ms is not None:
        rows = connection.execute(
            f"SELECT count(*) FROM messages m WHERE {MESSAGE_INSIDE}",  # noqa: S608 -- constants
            values,
        )
        ((texts,),) = rows
    return Scope(int(texts), mean, int(shown), shown_characters / shown if shown else 1.0)


def _among(connection: sqlite3.Connection, term: Term, message_ids: frozenset[int]) -> frozenset[int]:
    """Those of the messages that say the term."""
    if not message_ids:
        return frozenset()
    values = {"ids": json.dumps(sorted(message_ids)), "run": term.text, "match": term.match}
    rows = connection.execute(
        _AMONG_UNSPACED if term.unspaced else _AMONG,
        {**values, "low": min(message_ids), "high": max(message_ids)},
    )
    return frozenset(message_id for (message_id,) in rows)


def _texts(connection: sqlite3.Connection, message_ids: Sequence[int]) -> dict[int, Columns]:
    rows = connection.execute(
        "SELECT message_id, content, file_names, alt_texts FROM texts"
        " WHERE message_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(message_ids)),),
    )
    return {message_id: (content, names, alts) for message_id, content, names, alts in rows}


def _pictures(connection: sqlite3.Connection, messages: Sequence[Ranked], filter: Filter) -> list[WordHit]:
    """What the messages show inside the filter, in their order; not those that say nothing, whose message does not."""
    rows = connection.execute(
        "SELECT p.picture_id, p.message_id, p.place_id, m.channel_id, m.author_id, p.flags"  # noqa: S608 -- constants
        " FROM places p JOIN messages m USING (message_id)"
        f" WHERE p.message_id IN (SELECT value FROM json_each(:messages)) AND {PLACE_ITSELF_INSIDE} ORDER BY p.ordinal",
        {**filter_values(filter), "messages": json.dumps([message.message_id for message in messages])},
    )
    shown: dict[int, list[tuple[PictureId, Place]]] = {}
    for picture_id, message_id, place_id, channel_id, author_id, flags in rows:
        place = Place(
            MessageId(message_id), PlaceId(place_id), ChannelId(channel_id), UserId(author_id), PlaceFlag(flags)
        )
        shown.setdefault(message_id, []).append((PictureId(picture_id), place))
    return [
        WordHit(picture_id, place, figures.bm25, figures.share, figures.shown)
        for message in messages
        for picture_id, place in shown.get(message.message_id, ())
        if (figures := message.of(picture_id)).bm25
    ]
