"""The console's session: a key is exchanged for a cookie that no script can read.

These paths take no key in a header, and are no part of the document for programs: a program sends its key each time.
"""

from __future__ import annotations

from aiohttp import web

from bot.web.api.access import COOKIE, SESSION_S, Access, Session
from bot.web.api.bodies import answer, json_body
from bot.web.api.keys import described
from bot.web.api.models.keys import SessionInfo, SignIn
from bot.web.api.models.operator import Done
from bot.web.api.parts import Parts
from indexer.records.api_keys import ApiKey


async def sign_in(request: web.Request, parts: Parts, access: Access) -> web.Response:
    given = await json_body(request, SignIn)
    key = await access.checked(request, parts.service.api_keys, given.key.strip())
    cookie, session = access.sign_in(key)
    response = _info(key, session)
    response.set_cookie(COOKIE, cookie, max_age=int(SESSION_S), path="/", httponly=True, samesite="Strict")
    return response


async def current(request: web.Request, parts: Parts, access: Access) -> web.Response:
    key = await access.key_of(request, parts.service.api_keys)
    session = access.session_of(request)
    return answer(SessionInfo(described(key), "" if session is None else session.csrf))


async def sign_out(request: web.Request, parts: Parts, access: Access) -> web.Response:
    await access.key_of(request, parts.service.api_keys)
    access.sign_out(request)
    response = answer(Done())
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response


def _info(key: ApiKey, session: Session) -> web.Response:
    return answer(SessionInfo(described(key), session.csrf))
