"""Rate limits: buckets by route and channel, guild or webhook, and the global one."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` requests in `window_s` seconds."""

    count: int
    window_s: float


_GENEROUS: Final = Limit(10_000, 1.0)
_GLOBAL: Final = "global"
_NOT_GLOBAL: Final = ("/interactions/", "/webhooks/")


@dataclass(slots=True)
class Verdict:
    """The numbers of an answer's rate-limit headers; `retry_after` (seconds) when the request is refused."""

    limit: Limit
    bucket: str
    remaining: int
    reset_after: float
    retry_after: float | None = None
    everywhere: bool = False

    def headers(self) -> dict[str, str]:
        """The headers as Discord writes them."""
        return {
            "X-RateLimit-Limit": str(self.limit.count),
            "X-RateLimit-Remaining": str(max(0, self.remaining)),
            "X-RateLimit-Reset": f"{time.time() + self.reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{self.reset_after:.3f}",
            "X-RateLimit-Bucket": self.bucket,
        }


@dataclass(slots=True)
class Limits:
    """`default` is for routes without a limit of their own; `everywhere` is the limit over all routes together."""

    default: Limit = _GENEROUS
    everywhere: Limit = _GENEROUS
    routes: dict[str, Limit] = field(default_factory=dict)
    _windows: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)

    def ask(self, route: str, major: str, path: str) -> Verdict:
        """Count a request of `route` on the channel, guild or webhook `major`."""
        bucket = hashlib.sha256(route.encode()).hexdigest()[:16]
        limit = self.routes.get(route, self.default)
        verdict = Verdict(limit, bucket, *self._take(bucket, major, limit))
        if verdict.remaining < 0:
            verdict.retry_after = verdict.reset_after
        elif not any(part in path for part in _NOT_GLOBAL):
            left, reset = self._take(_GLOBAL, "", self.everywhere)
            if left < 0:
                verdict.retry_after, verdict.everywhere = reset, True
        return verdict

    def _take(self, bucket: str, major: str, limit: Limit) -> tuple[int, float]:
        """(requests left after this one, seconds until the window ends)."""
        now = time.monotonic()
        ends, used = self._windows.get((bucket, major), (0.0, 0))
        if now >= ends:
            ends, used = now + limit.window_s, 0
        self._windows[bucket, major] = ends, used + 1
        return limit.count - used - 1, ends - now
