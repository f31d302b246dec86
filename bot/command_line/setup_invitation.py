"""The last part of `afterimage setup`: the invitation, the wait for a server, and the offer to read its history."""

from __future__ import annotations

import asyncio

from bot.command_line.setup_discord import WAIT_S, Bot, first_server
from bot.config.values import Secret
from bot.observability import terminal


def invited(bot: Bot, token: Secret, api_base: str, *, asks: bool) -> str | None:
    """Shows the invitation and waits until the bot is in a server, at most WAIT_S seconds. Returns the server's name.

    None where it is in none by then, or where a person ended the wait with Ctrl-C. Raises DiscordRefused.
    """
    show(bot)
    wait = f"waiting for a server, {WAIT_S / 60:.0f} minutes at most"
    if not asks:
        terminal.note(f"{wait}; --no-wait goes on at once")
    try:
        with terminal.waiting(f"{wait}; Ctrl-C goes on"):
            server = asyncio.run(first_server(token, api_base))
    except KeyboardInterrupt:
        server = None
    if server is None:
        terminal.say("It is in no server yet. The link stays valid: open it when you like, the bot may run meanwhile.")
    else:
        terminal.say(f"It is in {terminal.one_line(server)}.")
    return server


def show(bot: Bot) -> None:
    terminal.say(f"To invite it, open this as someone with Manage Server:\n\n    {bot.invitation}\n")


def wants_reading(server: str) -> bool:
    """Asks whether the bot shall read the server's history by itself. Ctrl-C is a no: everything else is written."""
    terminal.say(
        f"Shall it read the history of {terminal.one_line(server)} as soon as it starts, newest pictures first? Servers"
        " that it joins later are then read by themselves, too."
    )
    try:
        return terminal.answer_to("Type yes, or press Enter for no: ").lower() in ("y", "yes")
    except KeyboardInterrupt:
        terminal.note("")
        return False
