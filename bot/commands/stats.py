"""/stats: what is indexed of this server, counted over the channels that the asking member may see."""

from __future__ import annotations

import time
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.commands import NO_MENTIONS, CommandContext, Tree
from bot.commands.asking import asker
from bot.commands.words import tell
from bot.replies.texts import Language, number
from indexer.ingest.progress import Progress, State
from indexer.model import MessageId, snowflake_ms
from indexer.search.coverage import coverage
from indexer.storage import overview
from indexer.storage.overview import Overview
from indexer.storage.status import Counts


def size_text(byte_count: int) -> str:
    """`512 KB`, `1.4 GB`: powers of 1000, as disks are sold."""
    size = float(byte_count)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit in ("B", "KB") else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable: the last unit takes all")


def day(message_id: MessageId) -> str:
    """The message's day, in the reader's own language and time zone."""
    return f"<t:{snowflake_ms(message_id) // 1000}:D>"


def stats_text(
    seen: Overview, percent: int, language: Language, whole: Counts | None = None, progress: Progress | None = None
) -> str:
    """The answer. `percent` of what the member may see is indexed, as below a search.

    `whole` and `progress` are the whole server's, for those who manage it: they tell of hidden channels.
    """

    def shown(value: int) -> str:
        return number(value, language)

    if seen.oldest is None or seen.newest is None:
        lines = [tell(language, "stats.nothing")]
    else:
        counts = {"pictures": shown(seen.pictures), "places": shown(seen.ready), "messages": shown(seen.messages)}
        coverage = {"percent": percent, "pending": shown(seen.pending), "failed": shown(seen.failed)}
        lines = [
            tell(language, "stats.title"),
            "- " + tell(language, "stats.pictures", **counts),
            "- " + tell(language, "stats.channels", count=shown(seen.channels)),
            "- " + tell(language, "stats.coverage", **coverage),
            "- " + tell(language, "stats.age", oldest=day(seen.oldest), newest=day(seen.newest)),
        ]
    if progress is not None and progress.state is State.RUNNING:
        lines.append("- " + tell(language, "stats.job", percent=int(progress.fraction * 100)))
    if whole is not None and whole.segment_bytes:
        lines.append("- " + tell(language, "stats.disk", size=size_text(whole.segment_bytes)))
    if whole is not None and whole.failures:
        most = sorted(whole.failures.items(), key=lambda item: -item[1])
        reasons = ", ".join(f"{reason} {shown(count)}" for reason, count in most)
        lines.append("- " + tell(language, "stats.failures", reasons=reasons))
    return "\n".join(lines)


def register(tree: Tree, context: CommandContext) -> None:
    service = context.service

    @app_commands.command(name="stats", description=locale_str("What is indexed of this server"))
    @app_commands.guild_only()
    async def stats(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, service)
        async with service.db.reader() as connection:
            seen = await overview.of_channels(connection, who.guild_id, who.visible)
            percent = await coverage(connection, who.guild_id, who.visible, round(time.time() * 1000))
        whole = progress = None
        if who.manages:
            status = await service.status()
            whole = next((one.counts for one in status.guilds if one.id == who.guild_id), None)
            progress = service.jobs.progress(who.guild_id)
        text = stats_text(seen, percent, who.language, whole, progress)
        await interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)

    tree.add_command(stats)
