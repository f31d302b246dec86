"""Every command that the bot has, in the order in which they are registered."""

from __future__ import annotations

from bot.commands import (
    CommandContext,
    Tree,
    duplicates,
    pictures_by,
    privacy,
    random,
    reindex,
    saved,
    similar,
    stats,
    watch,
)
from bot.commands import help as help_command

COMMANDS = (similar, pictures_by, saved, duplicates, random, watch, reindex, stats, privacy, help_command)


def register_all(tree: Tree, context: CommandContext) -> None:
    for module in COMMANDS:
        module.register(tree, context)
