"""Replies whose buttons still work: who asked and what was asked, for fifteen minutes, in bounded memory.

A button's name contains the token of its reply and nothing else. What the reply may show is computed again at each
press. After a restart, or once a reply was forgotten, its buttons answer that they have expired.

Memory is bounded for each member and for all members together. A member's new replies remove the same member's oldest
replies. If all members together keep too many, the member who keeps most loses the oldest one. So one member's
questions do not close another member's buttons, unless all members keep equally few.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import discord

from bot.commands import Tree, answer_error
from bot.config.tables import LimitSettings
from bot.token_buckets import TokenBuckets
from indexer.errors import TellPerson
from indexer.lru import LruCache

# An interaction's token lives this long, and so does an ephemeral reply.
LIFETIME_S = 15 * 60.0
# The most replies of one member, and of all members: each holds up to 300 KB (three pictures for a contact sheet).
REMEMBERED_A_MEMBER = 20
REMEMBERED = 500
# Members turn pages more often than they ask questions: so many page turns cost as much as one command. A press that
# asks a new question, draws or posts costs as much as a command.
PAGES_A_COMMAND = 4
_PAGES = {"page"}


def press_buckets(limits: LimitSettings, clock: Callable[[], float] = time.monotonic) -> TokenBuckets:
    """The token buckets for all buttons and menus of the bot: all presses of a member take from one bucket."""
    return TokenBuckets(limits.per_minute * PAGES_A_COMMAND, limits.burst * PAGES_A_COMMAND, clock)


def page_number(action: str) -> int:
    """The page that a button named `page-3` opens. Raises TellPerson for a name that no reply gives its buttons."""
    match = re.fullmatch(r"page-(-?\d{1,4})", action)
    if match is None:
        raise TellPerson("error-too-old")
    return int(match[1])


class OpenReply(Protocol):
    """A reply that can be pressed. It belongs to the member who asked."""

    @property
    def owner_id(self) -> int: ...

    async def press(self, interaction: discord.Interaction[Any], action: str, values: Sequence[str]) -> None:
        """`action` is the end of the button's name, `values` the choices in a menu. Must answer the interaction."""
        ...


class OpenReplies:
    """The open replies of one command group. `kind` begins the names of its buttons."""

    def __init__(self, kind: str, presses: TokenBuckets, clock: Callable[[], float] = time.monotonic) -> None:
        self._kind = kind
        self._presses = presses
        self._open: LruCache[str, OpenReply] = LruCache(REMEMBERED + 1, LIFETIME_S, clock)

    def __len__(self) -> int:
        return len(self._open)

    def remember(self, reply: OpenReply) -> str:
        """Stores the reply and returns the token for its buttons.
        If there are too many replies, an older one is forgotten: see above.
        """
        token = f"{self._kind}-{secrets.token_urlsafe(9)}"
        self._open.put(token, reply)
        tokens = [(kept.owner_id, name) for name, kept in self._open.items()]  # oldest first
        kept_by = Counter(owner_id for owner_id, _ in tokens)
        if kept_by[reply.owner_id] > REMEMBERED_A_MEMBER:
            self._open.pop(next(name for owner_id, name in tokens if owner_id == reply.owner_id))
        elif len(tokens) > REMEMBERED:
            largest_count = max(kept_by.values())
            self._open.pop(next(name for owner_id, name in tokens if kept_by[owner_id] == largest_count))
        return token

    def find(self, token: str) -> OpenReply | None:
        return self._open.peek(token)

    async def pressed(self, interaction: discord.Interaction[Any], token: str, action: str) -> None:
        """Passes a press to its reply. Any error is told to the member who pressed, in one sentence."""
        try:
            # Before anything else: a press on another member's button, an expired button or an invented one costs as
            # much.
            cost = 1 if action.partition("-")[0] in _PAGES else PAGES_A_COMMAND
            if wait := self._presses.take(interaction.user.id, cost):
                raise TellPerson("error-rate", seconds=max(1, round(wait)))
            reply = self.find(token)
            if reply is None:
                raise TellPerson("error-too-old")
            if interaction.user.id != reply.owner_id:
                raise TellPerson("error-not-yours")
            data: Mapping[str, Any] = interaction.data or {}
            await reply.press(interaction, action, data.get("values", ()))
        except Exception as error:  # noqa: BLE001 -- discord.py would only log it: the person must be told too
            await answer_error(interaction, error)

    def listen(self, tree: Tree) -> None:
        """Makes the tree's client pass every press on a button of this kind to this object."""
        replies = self

        class Pressed(
            discord.ui.DynamicItem[discord.ui.Item[Any]],
            template=rf"reply:(?P<token>{re.escape(self._kind)}-[\w-]{{12}}):(?P<action>.{{1,60}})",
        ):
            def __init__(self, item: discord.ui.Item[Any], token: str, action: str) -> None:
                super().__init__(item)
                self._token = token
                self._action = action

            @classmethod
            async def from_custom_id(
                cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
            ) -> Pressed:
                return cls(item, match["token"], match["action"])

            async def callback(self, interaction: discord.Interaction[Any]) -> None:
                await replies.pressed(interaction, self._token, self._action)

        tree.client.add_dynamic_items(Pressed)
