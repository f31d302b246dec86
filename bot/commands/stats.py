"""/stats: what is indexed of this server, counted over the channels that the asking member may see."""

from __future__ import annotations

from collections.abc import Mapping
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
from indexer.storage import overview
from indexer.storage.overview import Overview


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
    seen: Overview,
    progress: Progress | None,
    language: Language,
    *,
    byte_count: int | None = None,
    failures: Mapping[str, int] | None = None,
) -> str:
    """The answer. `byte_count` and `failures` are of the whole server, for those who manage it."""

    def shown(value: int) -> str:
        return number(value, language)

    running = progress is not None and progress.state is State.RUNNING
    lines = [tell(language, "stats.title")]
    if seen.oldest is None or seen.newest is None:
        lines = [tell(language, "stats.nothing")] if not running else lines
    else:
        counts = {"pictures": shown(seen.pictures), "places": shown(seen.ready), "messages": shown(seen.messages)}
        percent = 100 * seen.ready // max(seen.places, 1)
        coverage = {"percent": percent, "pending": shown(seen.pending), "failed": shown(seen.failed)}
        lines += [
            "- " + tell(language, "stats.pictures", **counts),
            "- " + tell(language, "stats.channels", count=shown(seen.channels)),
            "- " + tell(language, "stats.coverage", **coverage),
            "- " + tell(language, "stats.age", oldest=day(seen.oldest), newest=day(seen.newest)),
        ]
    if running and progress is not None:
        lines.append("- " + tell(language, "stats.job", percent=int(progress.fraction * 100)))
    if byte_count is not None:
        lines.append("- " + tell(language, "stats.disk", size=size_text(byte_count)))
    if failures:
        most = sorted(failures.items(), key=lambda item: -item[1])
        lines.append("- " + tell(language, "stats.failures", reasons=", ".join(f"{r} {shown(n)}" for r, n in most)))
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
        byte_count, failures = None, None
        if interaction.permissions.manage_guild or interaction.permissions.administrator:
            whole = await service.status()
            byte_count = whole.database_bytes + whole.segment_bytes
            failures = next((one.counts.failures for one in whole.guilds if one.id == who.guild_id), None)
        text = stats_text(
            seen, service.jobs.progress(who.guild_id), who.language, byte_count=byte_count, failures=failures
        )
        await interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)

    tree.add_command(stats)
