"""What `/reindex failures` says: pictures that could not be read, in the channels that the asker may see. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands import told
from bot.links import jump_link
from bot.replies.escape import escaped
from bot.texts import Language, translate
from indexer.errors import Rejected
from indexer.reports.failures import Failure

PAGE_FAILURES = 5  # each has at most 350 characters, so a page stays below Discord's 2,000 for a message
FILE_CHARACTERS = 20


def failures_text(found: Sequence[Failure], total: int, page: int, language: Language) -> str:
    """Page `page` (from 1): for each picture its place, the reason, and the time of the next attempt;
    the newest first.
    """
    if not total:
        return translate(language, "failures-none")
    pages = -(-total // PAGE_FAILURES)
    if not found:
        return translate(language, "failures-pages", pages=pages)
    lines = [translate(language, "failures-title", count=total)]
    lines += [_line(failure, language) for failure in found]
    if pages > 1:
        lines.append("-# " + translate(language, "failures-page", page=page, pages=pages))
    return "\n".join(lines)


def _line(failure: Failure, language: Language) -> str:
    due = failure.next_attempt_ms
    next_attempt = translate(language, "failures-never")
    if due is not None:
        next_attempt = translate(language, "failures-again", time=f"<t:{due // 1000}:R>")
    return "- " + translate(
        language,
        "failures-line",
        channel=f"<#{failure.channel_id}>",
        link=jump_link(failure.guild_id, failure.channel_id, failure.message_id),
        file=escaped(failure.file_name, FILE_CHARACTERS),
        reason=told(language, Rejected(failure.reason).sentence),
        again=next_attempt,
    )
