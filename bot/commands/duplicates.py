"""/duplicates: which pictures were posted more than once, by whom first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.commands import CommandContext, Tree, edit_reply
from bot.commands.open_replies import OpenReplies, page_number
from bot.commands.query_scope import Asker, Scope, SearchableChannel, asker, scope_of
from bot.commands.thumbnails import give_addresses
from bot.commands.translator import localized
from bot.replies.reposts import repost_page
from indexer.errors import TellPerson
from indexer.long_work import AlreadyRunning, TooManyWaiting
from indexer.lru import LruCache
from indexer.query.grammar import Wish
from indexer.records.hits import Filter
from indexer.search.copies import THRESHOLD
from indexer.search.reposts import Compared

if TYPE_CHECKING:
    from indexer.service import Service

# Comparing the largest number of pictures takes a few seconds, and each comparison waits for the earlier ones.
WAIT_S = 60.0
# Number of members whose last comparison is kept for their page turns: one for each member, up to 160 KB.
REMEMBERED = 200


class Duplicates:
    """State that the command and its buttons share."""

    def __init__(self, context: CommandContext) -> None:
        self.context = context
        self.service: Service = context.service
        self.replies = OpenReplies("duplicates", context.presses)
        # By member: the reply and the filter (with the visible channels) of the comparison.
        self._compared: LruCache[int, tuple[str, Filter, Compared]] = LruCache(REMEMBERED)

    async def show(self, interaction: discord.Interaction[Any], who: Asker, reply: DuplicatesReply) -> None:
        """Edits the reply to its current page.
        It is compared once for each set of visible channels, and looked up again each time.
        """
        filter_ = reply.scope.filter(who.visible, who.leaving)
        token, compared_in, compared = self._compared.get(reply.owner_id) or ("", None, None)
        if compared is None or (token, compared_in) != (reply.token, filter_):
            compared = await self._compare(who, filter_, reply)
            self._compared.put(reply.owner_id, (reply.token, filter_, compared))
        found = await self.service.reposts.described(who.guild_id, filter_, compared)
        view = repost_page(who.guild_id, found, reply.index, who.language, reply.token, reply.threshold)
        details = [group.detail for group in found.groups]
        places = {detail.link: (detail.channel_id, detail.message_id) for detail in details}
        files = await give_addresses(self.context, interaction, view, places)
        await edit_reply(interaction, view=view, attachments=files)

    async def _compare(self, who: Asker, filter: Filter, reply: DuplicatesReply) -> Compared:
        try:
            async with asyncio.timeout(WAIT_S):
                return await self.service.reposts.compare(
                    reply.owner_id, who.guild_id, who.visible, filter, reply.threshold
                )
        except AlreadyRunning:
            raise TellPerson("error-still-comparing") from None
        except TooManyWaiting:
            raise TellPerson("error-many-comparing") from None
        except TimeoutError:
            raise TellPerson("error-timeout") from None


@dataclass(slots=True)
class DuplicatesReply:
    """One answer whose pages can still be turned."""

    owner_id: int
    scope: Scope
    threshold: float
    duplicates: Duplicates
    token: str = ""
    index: int = 0

    async def press(self, interaction: discord.Interaction[Any], action: str, values: Sequence[str]) -> None:
        index = page_number(action)
        await interaction.response.defer()
        self.index = index
        await self.duplicates.show(interaction, await asker(interaction, self.duplicates.service), self)


def register(tree: Tree, context: CommandContext) -> None:
    """Adds the command and listens for its buttons."""
    duplicates = Duplicates(context)
    duplicates.replies.listen(tree)

    @app_commands.command(name="duplicates", description=localized("command-duplicates"))
    @app_commands.describe(
        channel=localized("option-channel"),
        author=localized("option-author"),
        after=localized("option-after"),
        before=localized("option-before"),
        threshold=localized("option-threshold"),
    )
    @app_commands.guild_only()
    async def duplicates_command(
        interaction: discord.Interaction[Any],
        channel: SearchableChannel | None = None,
        author: discord.User | None = None,
        after: app_commands.Range[str, 1, 40] | None = None,
        before: app_commands.Range[str, 1, 40] | None = None,
        threshold: app_commands.Range[float, 0.5, 1.0] = THRESHOLD,
    ) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, context.service)
        scope = await scope_of(context.service, Wish(), who, channel, author, after, before)
        reply = DuplicatesReply(interaction.user.id, scope, threshold, duplicates)
        reply.token = duplicates.replies.remember(reply)
        await duplicates.show(interaction, who, reply)

    tree.add_command(duplicates_command)
