"""Answers to /similar and the actions of their buttons.
Every page is searched again, with the member's rights at that moment.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import discord

from bot.commands import BROKEN, NO_MENTIONS, WAKING, CommandContext, edit_reply
from bot.commands.hit_pictures import sheet
from bot.commands.newest_messages import NewestMessages
from bot.commands.open_replies import OpenReplies, page_number
from bot.commands.query_scope import Asker, Scope, asker
from bot.commands.thumbnails import give_addresses
from bot.commands.verified_search import VerifiedSearch
from bot.permissions.posting import refusal
from bot.permissions.shared_audience import shared_channels
from bot.replies.closeness import Asked
from bot.replies.contact_sheet import shrunk
from bot.replies.pages import Coverage, Dress, page, page_count
from bot.texts import Language, translate
from indexer.crawl.on_demand import TakenIn
from indexer.errors import AfterimageError, TellPerson
from indexer.query.grammar import Wish
from indexer.query.query import Query
from indexer.records.ids import ChannelId, PictureId, UserId
from indexer.records.pictures import DecodedPicture, Pixels
from indexer.search import browse
from indexer.search.copy_checker import BUDGET_S
from indexer.supervisor import both

if TYPE_CHECKING:
    from indexer.service import Service

logger = logging.getLogger(__name__)

# An answer waits so long until the pixels of its pictures are compared; what comes later edits it.
COMPARE_S = 0.25


@dataclass(slots=True)
class SimilarReply:
    """One answer that can still be turned, searched from and shared. `shared`: the whole channel sees it, not only its
    owner.

    `listed` are the pictures of all its hits as they were last shown. `turns` counts how often it was asked to show a
    page. Whoever edits it holds `editing`: Discord keeps the edit that comes last, whichever was begun first.
    """

    owner_id: int
    query: Query
    scope: Scope
    asked: Asked
    explain: bool
    answers: Answers
    pictures: tuple[Pixels, ...] = ()
    shared: bool = False
    token: str = ""
    index: int = 0
    listed: tuple[PictureId, ...] = ()
    turns: int = field(default=0, init=False)
    editing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def press(self, interaction: discord.Interaction[Any], action: str, values: Sequence[str]) -> None:
        answers = self.answers
        if action.startswith("page"):
            index = page_number(action)
            await interaction.response.defer()
            self.index = index
            await answers.show(interaction, await asker(interaction, answers.service), self)
            return
        if action == "newest":
            await interaction.response.defer()
            await answers.read_newest(interaction, await asker(interaction, answers.service), self)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        who = await asker(interaction, answers.service)
        match action:
            case "more":
                like = self._listed(values[0]) if values else None
                if like is None:
                    raise TellPerson("error-no-hit")
                count = self.query.count
                await answers.answer_like(interaction, who, like, self.scope, count=count, explain=self.explain)
            case "share":
                await answers.share(interaction, who, self)
            case "sheet":
                await answers.contact_sheet(interaction, who, self)
            case _:
                raise TellPerson("error-too-old")

    def _listed(self, number: str) -> PictureId | None:
        """The hit with that number, as the reply was last shown; None for a number that it does not show."""
        at = int(number) - 1 if number.isdecimal() else -1
        return self.listed[at] if 0 <= at < len(self.listed) else None


class Answers:
    """State that the commands and their buttons share."""

    def __init__(self, context: CommandContext, kind: str = "similar") -> None:
        self.context = context
        self.service: Service = context.service
        self.settings = context.config.settings.search
        self.replies = OpenReplies(kind, context.presses)
        self.search = VerifiedSearch(self.service)
        self._newest = NewestMessages(self.service)

    async def answer(
        self,
        interaction: discord.Interaction[Any],
        who: Asker,
        wish: Wish,
        pictures: Sequence[DecodedPicture],
        scope: Scope,
        *,
        explain: bool = False,
        share: bool = False,
        origin: Literal["given", "message"] = "given",
        author: UserId | None = None,
    ) -> None:
        """Searches, and replies to an interaction that was deferred for the asker's eyes only.

        `author`: the scope is this member's pictures and nothing else.
        """
        query = Query.for_pictures(who.guild_id, scope.filter(who.visible, who.leaving), tuple(pictures))
        asked = Asked(len(pictures), wish.words, wish.without, origin, author)
        kept = tuple(shrunk(picture.frames[0]) for picture in pictures)
        await self.answer_query(interaction, who, wish, query, scope, asked, kept, explain=explain, share=share)

    async def answer_query(
        self,
        interaction: discord.Interaction[Any],
        who: Asker,
        wish: Wish,
        query: Query,
        scope: Scope,
        asked: Asked,
        kept: tuple[Pixels, ...] = (),
        *,
        explain: bool = False,
        share: bool = False,
    ) -> None:
        """As `answer`, for a query that has its pictures already. `kept`: they, to be shown on a contact sheet."""
        count = min(wish.count or self.settings.default_count, self.settings.max_count)
        if not (query.has_pictures or wish.words.strip()):
            require_something(wish, scope)
            count = count if wish.count else browse.MOST
        query = replace(query, count=count, visible=who.visible, asker=who.user_id).asked_by(wish)
        query = await self.search.prepared(interaction, who, query)
        reply = SimilarReply(interaction.user.id, query, scope, asked, explain, self, kept)
        if share:
            await self.share(interaction, who, reply)
            return
        reply.token = self.replies.remember(reply)
        await self.show(interaction, who, reply)

    async def show(
        self,
        interaction: discord.Interaction[Any],
        who: Asker,
        reply: SimilarReply,
        taken_in: TakenIn | None = None,
    ) -> None:
        """Edits the reply to its current page, searched with what `who` may see now. `taken_in` was just read for it.

        Where some pictures are still being compared, the reply is edited once more when they are, unless the page was
        turned meanwhile. If that fails, the answer is there all the same: only the log has it.
        """
        reply.turns += 1
        turn = reply.turns
        if not await self._edit(interaction, who, reply, COMPARE_S, taken_in):
            return
        try:
            await self.service.searcher.compared(reply.query)
            if reply.turns == turn:
                await self._edit(interaction, who, reply, 0.0, taken_in)
        except (discord.HTTPException, AfterimageError, *BROKEN) as error:  # a dismissed reply is not found any more
            logger.info("an answer in guild %s stays without its comparison: %s", who.guild_id, error)

    async def read_newest(self, interaction: discord.Interaction[Any], who: Asker, reply: SimilarReply) -> None:
        """Reads the newest messages of the channels that were asked about, and shows the answer from its beginning.

        Raises TellPerson where the member asked for that a moment ago.
        """
        channels = reply.scope.filter(self._visible(interaction, who, reply), who.leaving).channels
        taken_in = await self._newest.read(who, channels)
        reply.index = 0
        await self.show(interaction, who, reply, taken_in)

    async def _edit(
        self,
        interaction: discord.Interaction[Any],
        who: Asker,
        reply: SimilarReply,
        compare_s: float,
        taken_in: TakenIn | None,
    ) -> bool:
        """Edits the reply. Returns whether some of its pictures are still being compared."""
        if reply.shared:
            _check_posting(interaction, who)
        async with reply.editing:
            view, files, coming = await self._page(interaction, who, reply, compare_s, taken_in)
            # Without content: it may say so far that the model is waking up.
            await edit_reply(interaction, content=None, view=view, attachments=files)
        interaction.extras.pop(WAKING, None)
        return coming

    async def share(self, interaction: discord.Interaction[Any], who: Asker, reply: SimilarReply) -> None:
        """Posts the reply's first page in the channel, limited to what everybody who can read the channel may see.

        Raises TellPerson where the asker, or the bot, may not post such a message there.
        """
        _check_posting(interaction, who)
        public = replace_reply(reply, shared=True, index=0)
        result = await self.search.answer(self._query(interaction, who, public))
        if not result.hits:
            raise TellPerson("error-nothing-to-share")
        public.token = self.replies.remember(public)
        view, files, _ = await self._page(interaction, who, public, BUDGET_S)
        done = translate(who.language, "done-shared", count=len(result.hits))
        await interaction.edit_original_response(content=done, allowed_mentions=NO_MENTIONS)
        await interaction.followup.send(view=view, files=files, ephemeral=False, allowed_mentions=NO_MENTIONS)

    async def answer_like(
        self,
        interaction: discord.Interaction[Any],
        who: Asker,
        picture_id: PictureId,
        scope: Scope,
        *,
        count: int | None = None,
        explain: bool = False,
    ) -> None:
        """Answers with pictures like one picture of the index. `who` must be allowed to see that picture."""
        count = count or self.settings.default_count
        query = Query(who.guild_id, scope.filter(who.visible, who.leaving), like=(picture_id,), count=count)
        query = replace(query, visible=who.visible, asker=who.user_id)
        query = await self.service.searcher.prepare(query)
        reply = SimilarReply(interaction.user.id, query, scope, Asked(1, origin="shown"), explain, self)
        reply.token = self.replies.remember(reply)
        await self.show(interaction, who, reply)

    async def contact_sheet(self, interaction: discord.Interaction[Any], who: Asker, reply: SimilarReply) -> None:
        """Sends the reply's hits as one picture, visible to the asker only."""
        result = await self.search.verified(self._query(interaction, who, reply), None)
        if not result.hits:
            raise TellPerson("error-no-hit")
        names = {channel.id: channel.name for channel in who.stored}
        png = await sheet(self.service, reply.asked, reply.pictures, result, names, who)
        file = discord.File(io.BytesIO(png), "contact-sheet.png")
        await interaction.edit_original_response(attachments=[file], allowed_mentions=NO_MENTIONS)

    async def _page(
        self,
        interaction: discord.Interaction[Any],
        who: Asker,
        reply: SimilarReply,
        compare_s: float,
        taken_in: TakenIn | None = None,
    ) -> tuple[discord.ui.LayoutView, list[discord.File], bool]:
        """The page, the files that it shows, and whether some pictures are still being compared."""
        channels = reply.scope.filter(self._visible(interaction, who, reply), who.leaving).channels
        searching = self.search.verified(self._query(interaction, who, reply), reply.index, compare_s)
        result, covered = await both(searching, self._newest.covered(who, channels))
        chosen = reply.scope.channels
        only = next(iter(chosen)) if chosen is not None and len(chosen) == 1 else None
        what = "server" if chosen is None else "chosen"
        if reply.shared and chosen is None:
            what = "everyone"
        language = Language.of(interaction.guild_locale) if reply.shared else who.language
        dress = Dress(
            language,
            reply.token,
            reply.explain,
            shareable=not reply.shared,
            coverage=Coverage(covered.percent, only, what, 0 if reply.shared else covered.unread, taken_in),
            shared_by=UserId(reply.owner_id) if reply.shared else None,
            manages=who.manages and not reply.shared,
        )
        reply.index = min(max(reply.index, 0), page_count(result) - 1)
        reply.listed = tuple(hit.picture_id for hit in result.hits)
        view = page(who.guild_id, reply.asked, result, reply.index, dress)
        places = {hit.link: (hit.place.channel_id, hit.place.message_id) for hit in result.hits}
        return view, await give_addresses(self.context, interaction, view, places), result.coming

    def _query(self, interaction: discord.Interaction[Any], who: Asker, reply: SimilarReply) -> Query:
        """The reply's question, within what it may show now."""
        visible = self._visible(interaction, who, reply)
        return reply.query.within(reply.scope.filter(visible, who.leaving), visible)

    def _visible(self, interaction: discord.Interaction[Any], who: Asker, reply: SimilarReply) -> frozenset[ChannelId]:
        if not reply.shared:
            return who.visible
        return who.visible & shared_channels(who.guild, interaction.channel, who.stored)


def require_something(wish: Wish, scope: Scope) -> None:
    """Raises TellPerson where a question without a picture asks for nothing."""
    if wish.words.strip():
        return
    if wish.without:
        raise TellPerson("error-only-without")
    if scope == Scope():
        raise TellPerson("error-nothing-asked")


def _check_posting(interaction: discord.Interaction[Any], who: Asker) -> None:
    """Raises TellPerson where the asker, or the bot, may not post in this channel now."""
    refused = refusal(who.guild, who.member, interaction.channel)
    if refused is not None:
        missing = (translate(who.language, f"permission-{name.replace('_', '-')}") for name in refused.missing)
        raise TellPerson(refused.key, permissions=", ".join(missing))


def replace_reply(reply: SimilarReply, *, shared: bool, index: int) -> SimilarReply:
    """A separate reply to the same question. It has no token until it is remembered."""
    return replace(reply, shared=shared, index=index, token="")
