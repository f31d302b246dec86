"""Replies whose buttons still work: who asked, what was asked, for fifteen minutes, in bounded memory.

A button's name carries the token of its reply, nothing else: what it may show is worked out anew at each press. After a
restart, or once a reply was forgotten, its buttons say so.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import discord

from bot.commands import Tree, answer_error
from bot.commands.limits import TokenBuckets
from bot.config import LimitSettings
from bot.replies.texts import Language, say
from indexer.errors import TellPerson

# An interaction's token, and with it an ephemeral reply, lives this long.
LIFETIME_S = 15 * 60.0
REMEMBERED = 500
# A page is turned more often than a question is asked: so many presses where one command is allowed.
PRESSES = 4


class OpenReply(Protocol):
    """A reply that can be pressed. It belongs to the member who asked."""

    @property
    def owner_id(self) -> int: ...

    async def press(self, interaction: discord.Interaction[Any], action: str, values: Sequence[str]) -> None:
        """`action` is the end of the button's name, `values` what was chosen in a menu. Must answer the interaction."""
        ...


class OpenReplies:
    """The open replies of one command group. `kind` begins the names of its buttons."""

    def __init__(self, kind: str, limits: LimitSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._kind = kind
        self._clock = clock
        often = LimitSettings(limits.per_minute * PRESSES, limits.burst * PRESSES)
        self._buckets = TokenBuckets(often, clock)
        self._open: OrderedDict[str, tuple[float, OpenReply]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def remember(self, reply: OpenReply) -> str:
        """The token for the reply's buttons. The oldest reply is forgotten when there are too many."""
        self._forget_old()
        token = f"{self._kind}-{secrets.token_urlsafe(9)}"
        self._open[token] = (self._clock(), reply)
        if len(self._open) > REMEMBERED:
            self._open.popitem(last=False)
        return token

    def find(self, token: str) -> OpenReply | None:
        self._forget_old()
        found = self._open.get(token)
        return found[1] if found else None

    def _forget_old(self) -> None:
        oldest_allowed = self._clock() - LIFETIME_S
        while self._open and next(iter(self._open.values()))[0] < oldest_allowed:
            self._open.popitem(last=False)

    async def pressed(self, interaction: discord.Interaction[Any], token: str, action: str) -> None:
        """Leads a press to its reply; whatever goes wrong is told to who pressed, in one sentence."""
        language = Language.of(interaction.locale)
        try:
            reply = self.find(token)
            if reply is None:
                raise TellPerson(say(language, "error.too_old"))
            if interaction.user.id != reply.owner_id:
                raise TellPerson(say(language, "error.not_yours"))
            if wait := self._buckets.take(interaction.user.id):
                raise TellPerson(say(language, "error.rate", seconds=max(1, round(wait))))
            data: Mapping[str, Any] = interaction.data or {}
            await reply.press(interaction, action, data.get("values", ()))
        except Exception as error:  # noqa: BLE001 — discord.py would only log it: the person must be told too
            await answer_error(interaction, error)

    def listen(self, tree: Tree) -> None:
        """Has the tree's client send every press on a button of this kind here."""
        replies = self

        class Pressed(
            discord.ui.DynamicItem[discord.ui.Item[Any]],
            template=rf"reply:(?P<token>{re.escape(self._kind)}-[\w-]{{12}}):(?P<action>[a-z]+(?:--?\d{{1,4}})?)",
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
