"""GET requests of the crawl through discord.py's own client: what each fault means, and the budget of refusals.

discord.py sends the request, keeps Discord's rate limits and repeats the request after some faults. This file turns
every other fault into one of the indexer's errors:

| what Discord does | what it means here |
|---|---|
| 401 | ConfigError: the token is no longer valid, and the bot ends |
| 403 | ChannelClosed: the channel is parked until permissions change |
| 404, unknown channel or guild | ChannelGone: what is known of it is deleted |
| 404, unknown message | None, where the caller says that the message may be absent |
| any other 404 (from a proxy, from a route in maintenance) | RetryLater: it does not prove a deletion |
| 429 with `Via`: route, shared or global | discord.py waits as long as Discord says, and repeats |
| 429 without `Via` (Cloudflare) | RetryLater after `Retry-After`, else CLOUDFLARE_S |
| 202, 403, 404 of an optional request (search) | None |
| 202 of any other request | RetryLater after `retry_after` |
| 500, 502, 504, 524 | discord.py repeats up to 5 times, then RetryLater |
| 503 and other 5xx | RetryLater |
| connection reset or refused, half a body, no JSON, no answer | RetryLater |
| too many refusals (RequestBudget) | RetryLater, after the oldest refusal has left the window; nothing is sent |
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp
import discord
from discord.http import Route

from indexer.errors import ChannelClosed, ChannelGone, ConfigError, RetryLater

Params = dict[str, Any] | list[tuple[str, str]]  # a list where a name occurs several times
T = TypeVar("T")

UNKNOWN_CHANNEL, UNKNOWN_GUILD, UNKNOWN_MESSAGE = 10003, 10004, 10008
INDEXING = 110000  # guild search: Discord's index is not ready

# Discord bans an address after 10,000 answers of 401, 403 and 429 in 10 minutes. The crawl stops at a tenth of that,
# because members' commands come from the same address.
WINDOW_S = 600.0
REFUSALS = 1_000

# Discord allows a bot 50 requests a second over all routes, and discord.py respects that only after a refusal. Reading
# history uses at most 45 in any second (35 and a burst of 10), so that commands have room. All processes of the bot
# share that by their shards.
PER_SECOND = 35.0
BURST = 10

# Less is not enough for a member whose question waits in the same line: a hit's message is looked up before it is
# shown. Processes of one shard each pass 35 a second together from the 36th on, and 50 from the 51st.
LEAST_PER_SECOND = 1.0

CLOUDFLARE_S = 60.0  # seconds without requests after a 429 that names no time
REQUEST_S = 180.0  # seconds for one answer, discord.py's own waits and repeats included


class RequestBudget:
    """Counts refused requests (401, 403, 429 unless shared) of the last WINDOW_S seconds.

    Give `trace()` to the client (`discord.Client(http_trace=…)`). Then requests that discord.py repeats by itself are
    counted too.
    """

    def __init__(self, refusals: int = REFUSALS, window_s: float = WINDOW_S) -> None:
        self._refusals = refusals
        self._window_s = window_s
        self._times: deque[float] = deque(maxlen=refusals)

    @property
    def spent(self) -> int:
        """Refusals inside the window, at most the budget."""
        self._forget()
        return len(self._times)

    def count(self, status: int, scope: str | None = None) -> None:
        """Counts one answer. Discord does not count shared limits, because other users have used them up."""
        if status in (401, 403) or (status == 429 and scope != "shared"):
            self._times.append(time.monotonic())

    def check(self) -> None:
        """Raises RetryLater while the budget is spent."""
        if self.spent >= self._refusals:
            wait = self._window_s - (time.monotonic() - self._times[0])
            raise RetryLater(
                f"Discord refused {self._refusals} requests within {self._window_s:.0f} s; reading history pauses "
                f"for {wait:.0f} s so that this address is not banned.",
                retry_after=max(wait, 0.1),
            )

    def trace(self) -> aiohttp.TraceConfig:
        """A trace that counts every answer of the session that gets it."""
        trace = aiohttp.TraceConfig()

        async def ended(_: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
            self.count(end.response.status, end.response.headers.get("X-RateLimit-Scope"))

        trace.on_request_end.append(ended)
        return trace

    def _forget(self) -> None:
        limit = time.monotonic() - self._window_s
        while self._times and self._times[0] < limit:
            self._times.popleft()


class Pace:
    """At most `burst` requests at once and `per_second` in the long run. Other callers wait in the order they came."""

    def __init__(self, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._gap_s = 1 / per_second
        self._ahead_s = burst / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Waits for the next turn."""
        wait_s = self.wait_s(time.monotonic())
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def wait_s(self, now: float) -> float:
        """Takes the next turn. Returns the seconds until then for a caller at `now` (seconds, never decreasing)."""
        self._next = max(self._next, now - self._ahead_s) + self._gap_s
        return max(self._next - now, 0.0)


def shared_pace(share: float, per_second: float = 0.0) -> Pace:
    """The pace of a process that serves `share` of the bot's shards (above 0, at most 1). `per_second`: another one
    than its part of PER_SECOND; 0: that part.
    """
    rate = per_second or max(PER_SECOND * share, LEAST_PER_SECOND)
    return Pace(rate, BURST * rate / PER_SECOND)


class ShieldedRequests:
    """Requests of discord.py that run to their end even if their callers are cancelled.

    If a request is cancelled during a global rate limit, discord.py never sets the event that its other requests wait
    for. That blocks the whole bot.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def __call__(self, request: Coroutine[Any, Any, T]) -> T:
        """The answer of `request`, or its error."""
        task = asyncio.ensure_future(request)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def close(self, timeout_s: float) -> None:
        """Waits for requests whose callers were cancelled, at most `timeout_s` seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # read the error, because asyncio complains about errors that nobody reads


class Rest:
    """GET requests over a logged-in client. Safe to use from many tasks."""

    def __init__(
        self,
        client: discord.Client,
        budget: RequestBudget | None = None,
        *,
        pace: Pace | None = None,
        timeout_s: float = REQUEST_S,
    ) -> None:
        self._client = client
        self._pace = pace or Pace()
        self._timeout_s = timeout_s
        self.shielded = ShieldedRequests()
        self.budget = budget or RequestBudget()
        self._counted_by_trace = budget is not None or client.http.http_trace is None
        if budget is None and client.http.http_trace is None:
            client.http.http_trace = self.budget.trace()  # takes effect at the login

    async def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        about: str,
        absent: int | None = None,
        optional: bool = False,
        **parts: Any,
    ) -> Any:
        """The JSON answer of GET `path` with its `{parts}` filled in; `about` names the subject in errors.

        None where Discord answers 404 with the code `absent`. Where the request is `optional`, None also for 202, 403
        and 404. Errors: see the table above.
        """
        if not self._client.is_ready() or self._client.is_closed():
            raise RetryLater(f"{about}: the bot is not connected to Discord.")
        await self._pace.turn()
        self.budget.check()
        route = Route("GET", path, **parts)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self.shielded(self._client.http.request(route, params=params or {}))
        except discord.HTTPException as error:
            if error.status == 404 and absent is not None and error.code == absent:
                return None
            if error.status in (403, 404) and optional:
                return None
            raise self._meaning(error, about) from error
        except discord.RateLimited as error:
            raise RetryLater(
                f"{about}: Discord's rate limit asks for a pause.", retry_after=error.retry_after
            ) from error
        except TimeoutError as error:
            raise RetryLater(f"{about}: no answer from Discord within {self._timeout_s:.0f} s.") from error
        except RuntimeError as error:  # aiohttp raises this for a session that was closed meanwhile
            if not self._client.is_closed():
                raise
            raise RetryLater(f"{about}: the bot was disconnected from Discord.") from error
        except (OSError, aiohttp.ClientError, ValueError) as error:
            raise RetryLater(f"{about}: the connection to Discord broke ({type(error).__name__}: {error}).") from error
        if not isinstance(answer, dict | list):
            raise RetryLater(f"{about}: the answer was not JSON, so not from Discord itself.")
        if isinstance(answer, dict) and answer.get("code") == INDEXING:
            if optional:
                return None
            raise RetryLater(
                f"{about}: Discord is still building its search index.", retry_after=_seconds(answer.get("retry_after"))
            )
        return answer

    async def close(self) -> None:
        """Waits for requests whose callers were cancelled, at most the time of one request."""
        await self.shielded.close(self._timeout_s)

    def _meaning(self, error: discord.HTTPException, about: str) -> Exception:
        status, code = error.status, error.code
        if not self._counted_by_trace:
            self.budget.count(status, error.response.headers.get("X-RateLimit-Scope"))
        if status == 401:
            return ConfigError(
                "Discord no longer accepts the bot's token (401). Make a new one in the developer portal and restart."
            )
        if status == 403:
            return ChannelClosed("closed-refused", code=str(code), about=about)
        if status == 404 and code in (UNKNOWN_CHANNEL, UNKNOWN_GUILD):
            return ChannelGone("closed-gone", code=str(code), about=about)
        if status == 429:
            wait = _seconds(error.response.headers.get("Retry-After")) or CLOUDFLARE_S
            return RetryLater(
                f"{about}: Cloudflare, in front of Discord, refuses this address for {wait:.0f} s.", retry_after=wait
            )
        return RetryLater(f"{about}: Discord answered {status} (code {code}).")


def _seconds(value: object) -> float | None:
    """The seconds to wait that a header or a body says; None where it says none."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if seconds > 0 else None
