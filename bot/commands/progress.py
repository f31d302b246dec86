"""The progress message of a job: its text (pure), and the task that keeps it up to date.

It is an ordinary message that everybody in the channel sees. An answer for one person can be edited for 15 minutes only
and is lost at a restart; and members may know that their server's history is being read. It contains counts and no
names.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import discord

from bot.commands import NO_MENTIONS, told
from bot.texts import Language, translate
from bot.texts.formats import decimal, duration
from indexer.clock import now_ms
from indexer.jobs import Job, Jobs, JobState, Scope, ScopeKind
from indexer.progress import Progress
from indexer.records.ids import DISCORD, ChannelId, GuildId, JobId, MessageId
from indexer.sentence import Sentence

logger = logging.getLogger(__name__)

# Discord allows about 5 edits in 5 s for a channel. Nobody reads the message more often than once in 2 s.
EDIT_S = 2.0
BAR_CELLS = 20


def scope_text(scope: Scope, language: Language) -> str:
    if scope.kind is ScopeKind.CHANNEL:
        return f"<#{scope.channel_id}>"
    return translate(language, f"scope-{scope.kind.value}")


def bar(fraction: float, cells: int = BAR_CELLS) -> str:
    full = int(max(0.0, min(fraction, 1.0)) * cells)
    return "█" * full + "░" * (cells - full)


def progress_text(job: Job, progress: Progress | None, language: Language, indexed: int | None = None) -> str:
    """The whole message: what is indexed, a bar, counts, pace and what remains; at the end the result.

    `indexed`: how many pictures of the server can be found now, including this job's.
    """
    running = job.state is JobState.RUNNING
    reason = "" if job.reason is None else _reason(job, job.reason, language)
    lines = [translate(language, f"head-{job.state.value}", what=scope_text(job.scope, language), reason=reason)]
    if reason and job.state is JobState.DONE:
        lines.append(reason)
    if progress is not None:
        if running and progress.reason is not None:
            lines.append(_reason(job, progress.reason, language))
        lines += _counts(progress, language, indexed, running=running)
    elif running:
        lines += [f"`{bar(0)}` 0 %", translate(language, "progress-starting")]
    return "\n".join(line for line in lines if line)


def _reason(job: Job, reason: Sentence, language: Language) -> str:
    """Why. An archive's path is a secret of the bot's machine, and members read this."""
    return told(language, reason) if job.scope.origin_id == DISCORD else translate(language, "job-archive")


def _counts(progress: Progress, language: Language, indexed: int | None, *, running: bool) -> Iterator[str]:
    """The bar while the job runs, the counts, the pace, and what remains or how long the job took."""

    if running:
        yield f"`{bar(progress.fraction)}` {int(progress.fraction * 100)} %"
    done, total = progress.channels_done, progress.channels_total
    parts = [translate(language, "count-channels", done=done, total=total)]
    read, expected = progress.messages, progress.messages_expected
    if running and expected is not None and expected > progress.messages:
        parts.append(translate(language, "count-messages-of", count=read, total=expected))
    else:
        parts.append(translate(language, "count-messages", count=read))
    if running:
        places = {"done": progress.places_done, "total": progress.places_total}
        parts.append(translate(language, "count-pictures-of", **places))
    else:
        new = progress.places_done - progress.failed
        parts.append(translate(language, "count-new", count=new) if new else translate(language, "count-nothing-new"))
    if progress.failed:
        parts.append(translate(language, "count-failed", count=progress.failed))
    if progress.channels_parked:
        parts.append(translate(language, "count-closed", count=progress.channels_parked))
    if not running and indexed is not None:
        parts.append(translate(language, "count-indexed", count=indexed))
    yield " · ".join(parts)
    end_ms = progress.ended_ms or now_ms()
    elapsed = max((end_ms - progress.started_ms) / 1000, 0.001)
    pace = translate(language, "progress-pace", pace=decimal(progress.places_done / elapsed, 1, language))
    if running:
        seconds_left = progress.seconds_left
        if seconds_left is None:
            yield f"{pace} · {translate(language, 'progress-estimating')}"
        else:
            yield f"{pace} · {translate(language, 'progress-left', time=duration(seconds_left))}"
    elif progress.ended_ms is not None:
        time_taken = translate(language, "progress-took", time=duration(elapsed))
        yield f"{pace} · {time_taken}" if progress.places_done else time_taken


class ProgressMessage:
    """The message that shows a job's progress. While the command's token lives (15 minutes) the answer is edited
    through the token, which needs no permission. After that, or after a restart, it is edited as an ordinary message.
    If that message cannot be edited (it was deleted, or the channel is closed to the bot), a new one is sent. If that
    fails too, only /reindex status remains.
    """

    def __init__(
        self,
        client: discord.Client,
        jobs: Jobs,
        job: Job,
        interaction: discord.Interaction[Any] | None = None,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._job = job
        self._interaction = interaction
        self._channel_id = job.channel_id
        self._message_id = job.message_id

    async def answer(self, text: str) -> None:
        """Sends the command's first answer; its message is remembered for the time after a restart."""
        assert self._interaction is not None, "only a command is answered"
        answer = await self._interaction.response.send_message(text, allowed_mentions=NO_MENTIONS)
        await self._stands_at(self._interaction.channel_id, answer.message_id)

    async def show(self, text: str) -> bool:
        """Shows the text. False if it can never be shown again. A temporary fault is left for the next call."""
        try:
            return await self._edit_answer(text) or await self._edit(text) or await self._send(text)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            logger.info("job %d: its progress could not be shown this time: %s", self._job.id, error)
            return True

    async def retire(self, text: str) -> None:
        """Writes the message's last text. If the message can no longer be edited, it stays as it is."""
        with suppress(discord.DiscordException, aiohttp.ClientError, OSError):
            await self._edit_answer(text) or await self._edit(text)

    async def _edit_answer(self, text: str) -> bool:
        if self._interaction is None:
            return False
        try:
            await self._interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)
        except discord.HTTPException as error:
            if error.status == 429 or error.status >= 500:
                raise
            self._interaction = None  # its token has expired, or the answer was deleted
            return False
        return True

    async def _edit(self, text: str) -> bool:
        if self._channel_id is None or self._message_id is None:
            return False
        channel = self._client.get_partial_messageable(self._channel_id)
        try:
            await channel.get_partial_message(self._message_id).edit(content=text, allowed_mentions=NO_MENTIONS)
        except (discord.NotFound, discord.Forbidden):
            self._message_id = None
            return False
        return True

    async def _send(self, text: str) -> bool:
        if self._channel_id is None:
            return False
        channel = self._client.get_partial_messageable(self._channel_id)
        try:
            message = await channel.send(text, allowed_mentions=NO_MENTIONS, silent=True)
        except (discord.NotFound, discord.Forbidden):
            logger.info("job %d: its progress may not be shown in channel %d", self._job.id, self._channel_id)
            await self._stands_at(None, None)
            return False
        await self._stands_at(message.channel.id, message.id)
        return True

    async def _stands_at(self, channel_id: int | None, message_id: int | None) -> None:
        self._channel_id = None if channel_id is None else ChannelId(channel_id)
        self._message_id = None if message_id is None else MessageId(message_id)
        await self._jobs.show_at(self._job.id, self._channel_id, self._message_id)


class Following:
    """The progress messages that are kept up to date: one for each server.
    A newer message replaces the previous one.
    """

    def __init__(self) -> None:
        self._newest: dict[GuildId, asyncio.Event] = {}

    def begin(self, guild_id: GuildId) -> asyncio.Event:
        """Retires the server's previous message. Returns the event that is set when the new message has to retire."""
        if guild_id in self._newest:
            self._newest[guild_id].set()
        self._newest[guild_id] = asyncio.Event()
        return self._newest[guild_id]


async def follow(
    jobs: Jobs, job_id: JobId, message: ProgressMessage, language: Language, retired: asyncio.Event, shown: str = ""
) -> None:
    """Keeps the message up to date, with at most one edit in EDIT_S, until the job has ended or pauses,
    or until a newer message reports the server's jobs.
    """
    while not retired.is_set():
        job = await jobs.get(job_id)
        if job is None:
            return  # the job was deleted with its server
        running = job.state is JobState.RUNNING
        text = progress_text(
            job, jobs.progress_of(job), language, None if running else await jobs.indexed(job.guild_id)
        )
        if text != shown:
            if not await message.show(text):
                return
            shown = text
        if not running:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(EDIT_S):
                await retired.wait()
    await message.retire(translate(language, "progress-moved"))
