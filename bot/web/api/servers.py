"""Servers, their channels and coverage, and what could not be read."""

from __future__ import annotations

from bot.links import message_link
from bot.texts import Language, translate_sentence
from bot.web.api.models.servers import (
    ChannelInfo,
    Channels,
    FailureInfo,
    Failures,
    FailuresQuery,
    GuildInfo,
    Guilds,
    Retried,
    RetryQuery,
)
from bot.web.api.operation import Call, NoQuery, Operation
from indexer.errors import Reason
from indexer.records.api_keys import KeyScope
from indexer.records.ids import DISCORD
from indexer.reports.channel_coverage import ChannelCoverage
from indexer.reports.failures import Failure
from indexer.reports.status import GuildStatus
from indexer.sentence import Sentence


async def guilds(call: Call[NoQuery, None]) -> Guilds:
    status = await call.parts.service.status()
    return Guilds([_guild(guild) for guild in status.guilds if call.key.may_see(guild.id)])


async def channels(call: Call[NoQuery, None]) -> Channels:
    found = await call.parts.service.reports.channel_coverage(call.guild.id)
    return Channels([_channel(coverage) for coverage in found])


async def failures(call: Call[FailuresQuery, None]) -> Failures:
    page, per_page = call.query.page, call.query.per_page
    found, total = await call.parts.service.reports.failures(
        per_page, guild_id=call.guild.id, reasons=_reasons(call.query.reason), skip=(page - 1) * per_page
    )
    return Failures(
        failures=[_failure(failure, opens=call.parts.opens) for failure in found],
        total=total,
        page=page,
        more=page * per_page < total,
    )


async def retry(call: Call[RetryQuery, None]) -> Retried:
    reasons = _reasons(call.query.reason) or tuple(Reason)
    return Retried(await call.parts.service.upkeep.retry_failed(call.guild.id, reasons))


def _reasons(reason: str | None) -> list[Reason] | None:
    return None if reason is None else [Reason(reason)]


def words(sentence: Sentence) -> str:
    """Values are not escaped: whoever shows the text must not read it as HTML."""
    return translate_sentence(Language.ENGLISH, sentence, str)


def _guild(guild: GuildStatus) -> GuildInfo:
    counts = guild.counts
    return GuildInfo(
        id=str(guild.id),
        name=guild.name,
        consent=guild.consent,
        channels=counts.channels,
        parked=counts.parked,
        messages=counts.messages,
        pictures=counts.pictures,
        ready=counts.ready,
        pending=counts.pending,
        failed=dict(counts.failures),
    )


def _channel(coverage: ChannelCoverage) -> ChannelInfo:
    channel = coverage.channel
    return ChannelInfo(
        id=str(channel.id),
        name=channel.name,
        kind=channel.kind.value,
        parent=None if channel.parent_id is None else str(channel.parent_id),
        archived=channel.archived,
        imported=channel.origin_id != DISCORD,
        messages=coverage.messages,
        ready=coverage.ready,
        pending=coverage.pending,
        failed=coverage.failed,
        read=None if coverage.read is None else round(coverage.read, 4),
        parked=None if coverage.parked is None else words(coverage.parked),
    )


def _failure(failure: Failure, *, opens: bool) -> FailureInfo:
    return FailureInfo(
        message=str(failure.message_id),
        channel=str(failure.channel_id),
        channel_name=failure.channel_name,
        file_name=failure.file_name,
        reason=failure.reason.value,
        sentence=words(failure.reason.sentence),
        attempts=failure.attempts,
        next_attempt_ms=failure.next_attempt_ms,
        link=message_link(failure.guild_id, failure.channel_id, failure.message_id, opens=opens),
    )


OPERATIONS = (
    Operation(
        "guilds",
        "GET",
        "/guilds",
        "The servers that the key may see, and what is stored of each.",
        guilds,
        Guilds,
        cost=3.0,
    ),
    Operation(
        "channels",
        "GET",
        "/guilds/{guild}/channels",
        "The channels of a server, how far each is read, and why one cannot be.",
        channels,
        Channels,
        cost=3.0,
    ),
    Operation(
        "failures",
        "GET",
        "/guilds/{guild}/failures",
        "Pictures that could not be read, why, and when each is tried again.",
        failures,
        Failures,
        query=FailuresQuery,
    ),
    Operation(
        "retry",
        "POST",
        "/guilds/{guild}/failures/retry",
        "Lets every picture of the server that failed, or failed for one reason, be tried again.",
        retry,
        Retried,
        query=RetryQuery,
        scope=KeyScope.WRITE,
        cost=10.0,
    ),
)
