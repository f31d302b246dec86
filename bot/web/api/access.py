"""Who asks: a key in the Authorization header, or the console's cookie, which stands for one.

A cookie is only ever the console's own: SameSite=Strict, so that no other site can make a browser send it, HttpOnly,
so that no script can read it, and a change needs the session's CSRF token in a header besides.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from bot.token_buckets import TokenBuckets
from bot.web.errors import ApiError
from bot.web.guards import too_often
from indexer.api_keys import ApiKeys
from indexer.lru import LruCache
from indexer.records.api_keys import ApiKey, KeyId, KeyScope

COOKIE = "afterimage_session"
CSRF_HEADER = "X-CSRF-Token"
SESSION_S = 12 * 3600.0
SESSIONS = 256
SESSIONS_OF_A_KEY = 16  # else one key could sign everybody else out

# A key's bucket: a page of results with its thumbnails takes about 12 tokens, and looked at again about 2.
PER_MINUTE = 1200.0
BURST = 240
# Wrong keys from one address. Nobody guesses 256 bits. A right key is never refused for wrong ones: behind a proxy all
# requests come from one address.
WRONG_PER_MINUTE = 20.0
WRONG_BURST = 10

_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Session:
    """A console that is signed in. It ends with its key, after SESSION_S, or with the bot's process."""

    key_id: KeyId
    csrf: str


class Access:
    """Finds the key of each request. Belongs to one event loop."""

    def __init__(self) -> None:
        self._sessions: LruCache[str, Session] = LruCache(SESSIONS, SESSION_S)
        self._keys = TokenBuckets(PER_MINUTE, BURST)
        self._wrong = TokenBuckets(WRONG_PER_MINUTE, WRONG_BURST)

    async def key_of(self, request: web.Request, keys: ApiKeys) -> ApiKey:
        """The valid key of the request. Raises ApiError."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.checked(request, keys, text.strip())
        session = self.session_of(request)
        key = None if session is None else await keys.still_valid(session.key_id)
        if session is None or key is None:
            raise _unauthorized("This needs a key: Authorization: Bearer … (`afterimage keys create` makes one).")
        if request.method in _UNSAFE and not _same(request.headers.get(CSRF_HEADER, ""), session.csrf):
            raise ApiError(HTTPStatus.FORBIDDEN, "csrf", f"{CSRF_HEADER} is missing, or not this session's.")
        return key

    async def checked(self, request: web.Request, keys: ApiKeys, text: str) -> ApiKey:
        """The valid key with this text. Raises ApiError, and counts wrong keys by their address."""
        key = await keys.check(text)
        if key is None:
            if wait_s := self._wrong.take(request.remote or ""):
                raise too_often("This address", wait_s)
            raise _unauthorized("This key is unknown, expired or revoked.")
        return key

    def charge(self, key: ApiKey, cost: float) -> None:
        """Takes tokens from the key's bucket. Raises ApiError where it has too few."""
        if wait_s := self._keys.take(key.id, cost):
            raise too_often("This key", wait_s)

    def session_of(self, request: web.Request) -> Session | None:
        return self._sessions.get(request.cookies.get(COOKIE, ""))

    def sign_in(self, key: ApiKey) -> tuple[str, Session]:
        """A new session, and the value of its cookie. Of a key's sessions the one that asked longest ago may end."""
        own = [cookie for cookie, session in self._sessions.items() if session.key_id == key.id]
        if len(own) >= SESSIONS_OF_A_KEY:
            self._sessions.pop(own[0])
        cookie, session = secrets.token_urlsafe(32), Session(key.id, secrets.token_urlsafe(32))
        self._sessions.put(cookie, session)
        return cookie, session

    def sign_out(self, request: web.Request) -> None:
        self._sessions.pop(request.cookies.get(COOKIE, ""))


def require(key: ApiKey, scope: KeyScope, *, everything: bool) -> None:
    """Raises ApiError where the key may not do what needs this scope (`everything`: and every server)."""
    if not key.scope.includes(scope):
        message = f"This needs a key of scope {scope.value}; this one has {key.scope.value}."
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", message, {"scope": scope.value})
    if everything and key.guild_id is not None:
        message = "This needs a key for every server; this one is for one server."
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", message, {"scope": scope.value})


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def _unauthorized(message: str) -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
