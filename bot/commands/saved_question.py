"""A saved search becomes a question again, with what its member may see at this moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.commands.query_scope import Asker, Scope, scope_of
from indexer.clock import now_ms
from indexer.query.grammar import Wish, parse
from indexer.query.query import Query
from indexer.records.ids import ModelId
from indexer.records.saved_searches import AskedPicture, SavedSearch
from indexer.service import Service


@dataclass(frozen=True, slots=True)
class SavedQuestion:
    """`query` has the picture and the filter, and all of `wish`. `outdated`: the picture is left out, since it was
    embedded by another model than the one that answers in this server now.
    """

    wish: Wish
    scope: Scope
    query: Query
    outdated: bool


async def saved_question(service: Service, who: Asker, saved: SavedSearch) -> SavedQuestion:
    """Raises TellPerson where the text names something that there is not, or that the member may not see now."""
    wish, scope = await read_question(service, who, saved.question)
    query = Query(who.guild_id, scope.filter(who.visible, who.leaving)).asked_by(wish)
    query = replace(query, visible=who.visible, asker=who.user_id)
    outdated = False
    if saved.picture is not None:
        answering = (await service.searcher.of(who.guild_id)).model_id
        outdated = saved.picture.model_id != answering
        query = query if outdated else _with_picture(query, saved.picture, answering)
    return SavedQuestion(wish, scope, query, outdated)


async def read_question(service: Service, who: Asker, text: str) -> tuple[Wish, Scope]:
    """What the text asks for, with what the member may see now. Raises TellPerson."""
    wish = parse(text, now_ms())
    return wish, await scope_of(service, wish, who, None, None, None, None)


def _with_picture(query: Query, picture: AskedPicture, model_id: ModelId) -> Query:
    return replace(
        query,
        vectors=(picture.vector,),
        digests=frozenset({picture.sha256}),
        hashes=(picture.perceptual_hash,),
        model_id=model_id,
    )
