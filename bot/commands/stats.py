"""/stats: what is indexed of this server, counted over the channels that the asking member may see."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.commands import CommandContext, Tree, edit_reply, told
from bot.commands.query_scope import asker
from bot.commands.translator import localized
from bot.texts import Language, translate
from bot.texts.formats import size_text
from indexer.errors import Reason
from indexer.progress import Progress, State
from indexer.records.ids import MessageId, snowflake_ms
from indexer.reports.overview import Overview
from indexer.reports.status import Counts


def day(message_id: MessageId) -> str:
    """The message's day, in the reader's own language and time zone."""
    return f"<t:{snowflake_ms(message_id) // 1000}:D>"


def stats_text(
    seen: Overview, percent: int, language: Language, whole: Counts | None = None, progress: Progress | None = None
) -> str:
    """The answer. `percent` says how much of what the member may see is indexed, as the footer of a search does.

    `whole` and `progress` concern the whole server. They are for its managers only, since they include hidden channels.
    """
    if seen.oldest is None or seen.newest is None:
        lines = [translate(language, "stats-nothing")]
    else:
        counts = {"pictures": seen.pictures, "places": seen.ready, "messages": seen.messages}
        coverage = {"percent": percent, "pending": seen.pending, "failed": seen.failed}
        lines = [
            translate(language, "stats-title"),
            "- " + translate(language, "stats-pictures", **counts),
            "- " + translate(language, "stats-channels", count=seen.channels),
            "- " + translate(language, "stats-coverage", **coverage),
            "- " + translate(language, "stats-age", oldest=day(seen.oldest), newest=day(seen.newest)),
        ]
    if progress is not None and progress.state is State.RUNNING:
        lines.append("- " + translate(language, "stats-job", percent=int(progress.fraction * 100)))
    if whole is not None and whole.segment_bytes:
        lines.append("- " + translate(language, "stats-disk", size=size_text(whole.segment_bytes, language)))
    if whole is not None and whole.failures:
        failures = sorted(whole.failures.items(), key=lambda item: -item[1])
        for reason, count in failures:
            words = told(language, Reason(reason).sentence)
            lines.append("- " + translate(language, "stats-failures", count=count, reason=words))
    return "\n".join(lines)


def register(tree: Tree, context: CommandContext) -> None:
    service = context.service

    @app_commands.command(name="stats", description=localized("command-stats"))
    @app_commands.guild_only()
    async def stats(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, service)
        overview = await service.reports.overview(who.guild_id, who.visible)
        percent = await service.reports.coverage(who.guild_id, who.visible)
        whole = progress = None
        if who.manages:
            status = await service.status()
            whole = next((guild.counts for guild in status.guilds if guild.id == who.guild_id), None)
            progress = service.jobs.progress(who.guild_id)
        text = stats_text(overview, percent, who.language, whole, progress)
        await edit_reply(interaction, content=text)

    tree.add_command(stats)
