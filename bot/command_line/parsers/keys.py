"""`keys` and its actions."""

from __future__ import annotations

from bot.command_line.parsers.parser import Commands, add_json


def add_keys(commands: Commands) -> None:
    actions = commands.group(
        "keys",
        "Make, list and revoke the keys of the HTTP interface and its console (docs/http.md).",
        notes="A key reads whole servers, every channel of them. Works beside a running bot.",
    )
    create = actions.add(
        "create",
        "keys:create",
        "Make a key. It is printed on standard output this one time; only its hash is stored.",
        examples=["keys create me --scope admin", "keys create grafana --guild 123456789012345678 --days 90"],
        notes="read: search and look; write: also start and change jobs, retry failures, tag pictures; admin: also"
        " delete messages, keys, settings and the audit log.",
    )
    create.add_argument("name", metavar="NAME", help="what it is for; shown in lists")
    create.add_argument("--scope", choices=("read", "write", "admin"), default="read", help="default: read")
    create.add_argument("--guild", type=int, metavar="ID", help="only for this server (default: every server)")
    create.add_argument("--days", type=int, metavar="N", help="it expires after so many days (default: never)")
    add_json(create)
    add_json(
        actions.add(
            "list", "keys:show_list", "List the keys, the newest first, without their secrets.", examples=["keys list"]
        )
    )
    revoke = actions.add(
        "revoke",
        "keys:revoke",
        "Revoke a key: it opens nothing from then on, and sessions of the console that it opened end.",
        examples=["keys revoke 3"],
    )
    revoke.add_argument("key", type=int, metavar="NUMBER", help="as `afterimage keys list` shows it")
    add_json(revoke)
