"""What Discord suggests while a member types a question in the grammar: names of filters, and values that stand behind
them.

Channels and authors are those that this member may see at this moment; private threads that only membership opens are
left out, so that typing asks nothing of Discord. Tags are not suggested: chat shows them to nobody (docs/adr/0039). A
suggestion is the whole text with its end completed, because Discord puts it in place of all that was typed.

Discord sends a request for nearly every key that is pressed. So members have token buckets for this alone (the tree of
commands takes from them), few requests are worked on at a time, guilds in turn, and one that would come late gets no
suggestion.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.commands.query_scope import asker_at_once
from bot.config.tables import LimitSettings
from bot.replies.escape import plain
from bot.token_buckets import TokenBuckets
from indexer.errors import AfterimageError
from indexer.fair_semaphore import FairSemaphore
from indexer.query.completion import Unfinished, known_values, matching, unfinished
from indexer.records.ids import GuildId

if TYPE_CHECKING:
    from indexer.service import Service

logger = logging.getLogger(__name__)

# Discord's limits: choices of one answer, and characters of a choice's name and of its value.
MOST = 25
CHARACTERS = 100
# Discord waits 3 s for an answer. A suggestion that comes later than this belongs to a text that is typed no more.
ANSWER_S = 1.5
AT_ONCE = 2  # of the connections that read the database; there are 4
# Keys that a member presses while one command is typed.
KEYS_A_COMMAND = 10


def completion_buckets(limits: LimitSettings, clock: Callable[[], float] = time.monotonic) -> TokenBuckets:
    """The token buckets for suggestions. Those of commands are others: to type a question must not use it up."""
    return TokenBuckets(limits.per_minute * KEYS_A_COMMAND, limits.burst * KEYS_A_COMMAND, clock)


class QuestionCompletion:
    """Suggestions for each option whose text is a question in the grammar."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._slots = FairSemaphore(AT_ONCE)

    async def choices(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        """At most MOST suggestions; none where they would come too late."""
        try:
            async with asyncio.timeout(ANSWER_S):
                texts = await self._texts(interaction, typed)
        except (TimeoutError, AfterimageError) as error:
            logger.info("no suggestions in guild %s: %s", interaction.guild_id, str(error) or "they came too late")
            return []
        return [app_commands.Choice(name=text, value=text) for text in texts if len(text) <= CHARACTERS][:MOST]

    async def _texts(self, interaction: discord.Interaction[Any], typed: str) -> list[str]:
        if len(typed) > CHARACTERS or (end := unfinished(typed)) is None:
            return []
        if not end.key:
            # First what was typed: whoever confirms the first suggestion has not asked for a filter.
            return [*filter(None, [typed.strip()]), *end.with_filters()]
        if end.key in ("in", "from"):
            values = await self._names(interaction, end)
        else:
            values = known_values(end.key, end.typed)
        return list(_written(end, values))

    async def _names(self, interaction: discord.Interaction[Any], end: Unfinished) -> Sequence[str]:
        """Channels or authors that the member may see now."""
        async with self._slots.hold(GuildId(interaction.guild_id or 0)):
            who = await asker_at_once(interaction, self._service)
            if end.key == "in":
                names = matching((channel.name for channel in who.stored if channel.id in who.visible), _bare(end, "#"))
                return [f"#{name}" for name in names]
            typed = _bare(end, "@")
            names = await self._service.reports.author_names(typed, who.visible, who.leaving, MOST)
            own = ["me"] if "me".startswith(typed.casefold()) else []
            return [*own, *(f"@{name}" for name in names if name.casefold() != "me")]


def _bare(end: Unfinished, mark: str) -> str:
    return end.typed.removeprefix(mark)


def _written(end: Unfinished, values: Sequence[str]) -> Iterator[str]:
    """The text with each value that can be written, as many as are shown."""
    found = 0
    for value in values:
        if plain(value, CHARACTERS) != value:  # it has signs that nobody sees, or that turn the direction of the text
            continue
        text = end.with_value(value)
        if text is not None and len(text) <= CHARACTERS:
            yield text
            found += 1
        if found == MOST:
            return
