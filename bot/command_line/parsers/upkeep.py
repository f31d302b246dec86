"""`compact`, `retry` and `forget`."""

from __future__ import annotations

from bot.command_line.parsers.parser import Commands


def add_upkeep(commands: Commands) -> None:
    commands.add(
        "compact",
        "upkeep:compact",
        "Rewrite the index now, so that what was deleted leaves its files. Works beside a running bot.",
        examples=["compact"],
    )
    retry = commands.add(
        "retry",
        "upkeep:retry",
        "Let every picture that failed be tried again, by the running bot or the next one.",
        examples=["retry", "retry --guild 123456789012345678"],
    )
    retry.add_argument("--guild", type=int, metavar="ID", help="only this server")

    forget = commands.add(
        "forget",
        "upkeep:forget",
        "Forget a user: delete what is stored of theirs, and never store anything again.",
        examples=["forget 123456789012345678", "forget 123456789012345678 --yes"],
    )
    forget.add_argument("user", type=int, metavar="USER_ID", help="the user's id (Discord: Copy User ID)")
    forget.add_argument("--guild", type=int, metavar="ID", help="only in this server (default: everywhere)")
    forget.add_argument("--yes", action="store_true", help="do not ask first")
