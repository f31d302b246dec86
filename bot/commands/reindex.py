"""/reindex: a manager of the server allows its history to be read, and sees the progress."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.commands import NO_MENTIONS, CommandContext, Tree
from bot.commands.failures import PAGE_FAILURES, failures_text
from bot.commands.progress import ProgressMessage, follow, progress_text
from bot.commands.query_scope import asker, manages
from bot.commands.translator import localized
from bot.permissions.visible_channels import can_read
from bot.texts import Language
from indexer.errors import TellPerson
from indexer.jobs import SERVER, Job, Jobs, Scope, ScopeKind
from indexer.records.ids import ChannelId, GuildId, UserId
from indexer.records.messages import Guild

Interaction = discord.Interaction[Any]

CONSENT_SAFE_S = 1.0  # Discord waits three seconds for an answer; later the consent is made safe in the background

# What Discord resolved, whether the cache has it or not: a channel that the bot cannot see is in no cache.
ChannelOption = app_commands.AppCommandChannel | app_commands.AppCommandThread


def who_may(interaction: Interaction) -> tuple[GuildId, UserId, Language]:
    """The server, the member who asks, and their language. Raises TellPerson outside a server, and for a member who may
    not manage it. Somebody can grant the permission that Discord checks in its menu to others, so the bot checks it
    again here.
    """
    language = Language.of(interaction.locale)
    if interaction.guild_id is None:
        raise TellPerson("error-server-only")
    if not manages(interaction):
        raise TellPerson("error-manage-only")
    return GuildId(interaction.guild_id), UserId(interaction.user.id), language


def _readable(interaction: Interaction, channel: ChannelOption) -> ChannelId:
    """Raises TellPerson for a channel whose history the bot may not read, or that has none (a category)."""
    guild = interaction.guild
    cached = guild.get_channel_or_thread(channel.id) if guild is not None else None
    holder = cached.parent if isinstance(cached, discord.Thread) else cached
    if cached is None and isinstance(channel, app_commands.AppCommandThread) and guild is not None:
        holder = guild.get_channel(channel.parent_id)  # an archived thread is in no cache
    if guild is None or holder is None or not can_read(holder, guild.me):
        raise TellPerson("error-channel-closed", channel=str(channel.id))
    return ChannelId(channel.id)


class Reindex(app_commands.Group):
    """The group `/reindex`."""

    def __init__(self, context: CommandContext) -> None:
        super().__init__(
            name="reindex",
            description=localized("command-reindex"),
            guild_only=True,
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._context = context

    @property
    def jobs(self) -> Jobs:
        return self._context.service.jobs

    @app_commands.command(description=localized("command-reindex-start"))
    @app_commands.describe(
        channel=localized("option-reindex-channel"),
        failed=localized("option-reindex-failed"),
    )
    async def start(self, interaction: Interaction, channel: ChannelOption | None = None, failed: bool = False) -> None:
        guild_id, by, _ = who_may(interaction)
        if channel is not None and failed:
            raise TellPerson("job-either")
        scope = SERVER
        if channel is not None:
            scope = Scope(ScopeKind.CHANNEL, _readable(interaction, channel))
        elif failed:
            scope = Scope(ScopeKind.FAILED)
        if interaction.guild is not None:  # the bot has just started, and the server is not stored yet
            await self._context.service.live.on_guild_join(Guild(guild_id, interaction.guild.name))
        job = await self.jobs.start(guild_id, scope, by=by)
        await self._context.service.made_safe(CONSENT_SAFE_S)  # who allowed it need not do so again
        await self._show(interaction, job)

    @app_commands.command(description=localized("command-reindex-status"))
    async def status(self, interaction: Interaction) -> None:
        guild_id, _, language = who_may(interaction)
        job = await self.jobs.newest(guild_id)
        if job is None:
            raise TellPerson("job-never")
        await self._whisper(interaction, job, language)

    @app_commands.command(description=localized("command-reindex-failures"))
    @app_commands.describe(page=localized("option-failures-page"))
    async def failures(self, interaction: Interaction, page: app_commands.Range[int, 1, 10_000] = 1) -> None:
        guild_id, _, language = who_may(interaction)
        await interaction.response.defer(ephemeral=True)
        service = self._context.service
        who = await asker(interaction, service)
        found, total = await service.reports.failures(
            PAGE_FAILURES, guild_id=guild_id, among=who.visible, skip=(page - 1) * PAGE_FAILURES
        )
        text = failures_text(found, total, page, language)
        await interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)

    @app_commands.command(description=localized("command-reindex-pause"))
    async def pause(self, interaction: Interaction) -> None:
        guild_id, by, language = who_may(interaction)
        job = await self.jobs.pause(guild_id, by=by)
        await self._whisper(interaction, job, language)

    @app_commands.command(description=localized("command-reindex-resume"))
    async def resume(self, interaction: Interaction) -> None:
        guild_id, by, _ = who_may(interaction)
        job = await self.jobs.resume(guild_id, by=by)
        await self._show(interaction, job)

    @app_commands.command(description=localized("command-reindex-cancel"))
    async def cancel(self, interaction: Interaction) -> None:
        guild_id, by, language = who_may(interaction)
        job = await self.jobs.cancel(guild_id, by=by)
        await self._whisper(interaction, job, language)

    async def _whisper(self, interaction: Interaction, job: Job, language: Language) -> None:
        indexed = await self.jobs.indexed(job.guild_id)
        text = progress_text(job, self.jobs.progress_of(job), language, indexed)
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NO_MENTIONS)

    async def _show(self, interaction: Interaction, job: Job) -> None:
        """Sends the progress message, for everyone in the channel, in the server's language."""
        language = Language.of(interaction.guild_locale)
        message = ProgressMessage(interaction.client, self.jobs, job, interaction)
        retired = self._context.following.begin(job.guild_id)
        text = progress_text(job, None, language)
        await message.answer(text)
        self._context.spawn(follow(self.jobs, job.id, message, language, retired, text), "progress message")


def go_on_showing(context: CommandContext, client: discord.Client, job: Job) -> None:
    """After a restart: continues the progress message of a job that continues."""
    guild = client.get_guild(job.guild_id)
    if job.channel_id is not None and guild is not None:
        jobs, language = context.service.jobs, Language.of(guild.preferred_locale)
        message = ProgressMessage(client, jobs, job)
        retired = context.following.begin(job.guild_id)
        context.spawn(follow(jobs, job.id, message, language, retired), "progress message")


def register(tree: Tree, context: CommandContext) -> None:
    tree.add_command(Reindex(context))
