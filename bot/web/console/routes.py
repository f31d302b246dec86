"""Serves the page's files, with an ETag and a policy that lets it load and ask nothing but this server."""

from __future__ import annotations

import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

PATH = "/console"
_FOLDER = Path(__file__).parent
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

# blob: is the picture that the reader of the page has chosen, before it is sent.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@cache
def files() -> dict[str, tuple[str, bytes, str]]:
    """Each file by its name: its type, its bytes and its tag. Read once: they belong to this version."""
    found = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            found[path.name] = (_TYPES[path.suffix], content, hashlib.sha256(content).hexdigest()[:32])
    return found


def console_routes() -> list[web.RouteDef]:
    async def page(request: web.Request) -> web.Response:
        return _answer(request, "console.html")

    async def file(request: web.Request) -> web.Response:
        return _answer(request, request.match_info["name"])

    return [web.get(PATH, page), web.get(PATH + "/{name}", file)]


def _answer(request: web.Request, name: str) -> web.Response:
    if name not in files():
        raise web.HTTPNotFound
    content_type, content, tag = files()[name]
    if any(etag.value in (tag, "*") for etag in request.if_none_match or ()):
        response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=_HEADERS)
    else:
        response = web.Response(body=content, content_type=content_type, charset="utf-8", headers=_HEADERS)
    response.etag = tag
    return response
