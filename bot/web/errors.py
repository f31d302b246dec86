"""The answers to refused requests: one JSON shape, with a documented code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

# Every code that this server answers with, and its meaning. A test compares docs/http.md with this list.
CODES: Mapping[str, str] = {
    "bad_request": "The request cannot be understood; `message` says what is wrong with it.",
    "unauthorized": "There is no key, or one that is unknown, expired or revoked; sessions of the console end, too.",
    "forbidden": "The key may not do this: its scope is too small, or it is for one server only.",
    "csrf": "A change that comes with the console's cookie must carry the session's token in `X-CSRF-Token`.",
    "host_not_allowed": "The request names a host that this server does not answer to (see `web.hosts`).",
    "not_found": "There is nothing at this path.",
    "method_not_allowed": "The path is there, but not for this method; `details.allowed` says which it takes.",
    "bad_question": "The question cannot be asked as it stands; `message` says why.",
    "bad_picture": "The file cannot be opened as a picture; `details.reason` names the reason.",
    "bad_archive": "The file or folder cannot be imported or uploaded like this; `message` says why.",
    "no_thumbnail": "There is no small copy of this picture to be had now; `message` says why.",
    "conflict": "It cannot be changed in its present state; `message` says which that is.",
    "too_large": "The request is larger than this path takes.",
    "too_many_requests": "This address or key asks too often; `details.retry_after_s` says when to ask again.",
    "starting": "The bot is still starting, or about to end; ask again soon.",
    "busy": "What this needs is busy or away for a moment; ask again later.",
    "too_slow": "The answer took longer than the server waits; ask again later.",
    "internal": "Something in the server failed; the log names it under `id`.",
}


@dataclass(slots=True)
class ApiError(Exception):
    """A request that is refused. `code` is one of CODES, `message` a sentence for a person."""

    status: HTTPStatus
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request_id: str) -> web.Response:
        """`{"error": {"code", "message", "details", "id"}}` with the status."""
        assert self.code in CODES, self.code
        error = {"code": self.code, "message": self.message, "details": dict(self.details), "id": request_id}
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


def of_http(error: web.HTTPException) -> ApiError:
    """Errors of aiohttp itself (an unknown path, a wrong method, a body that is too large), in our shape."""
    status = HTTPStatus(error.status)
    match error:
        case web.HTTPNotFound():
            return ApiError(status, "not_found", "There is nothing at this path.")
        case web.HTTPMethodNotAllowed():
            allowed = sorted(error.allowed_methods)
            message = f"This path takes {' and '.join(allowed)} only."
            return ApiError(status, "method_not_allowed", message, {"allowed": allowed}, {"Allow": ", ".join(allowed)})
        case web.HTTPRequestEntityTooLarge():
            return ApiError(status, "too_large", "The request is larger than this path takes.")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something in the server failed.")
    return ApiError(status, "bad_request", error.reason)
