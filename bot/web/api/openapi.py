"""The OpenAPI 3.1 document, made from the operations and their types. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from bot.web.api.access import COOKIE, CSRF_HEADER
from bot.web.api.models.operator import Error
from bot.web.api.operation import Operation
from bot.web.errors import CODES

_REF = "#/components/schemas/{name}"
_ID = {"type": "string", "pattern": "^[0-9]{1,19}$"}

# What any operation can answer, by status.
_USUAL = (
    (HTTPStatus.BAD_REQUEST, "bad_request"),
    (HTTPStatus.UNAUTHORIZED, "unauthorized"),
    (HTTPStatus.FORBIDDEN, "forbidden"),
    (HTTPStatus.FORBIDDEN, "csrf"),
    (HTTPStatus.FORBIDDEN, "host_not_allowed"),
    (HTTPStatus.NOT_FOUND, "not_found"),
    (HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests"),
    (HTTPStatus.INTERNAL_SERVER_ERROR, "internal"),
    (HTTPStatus.SERVICE_UNAVAILABLE, "starting"),
    (HTTPStatus.SERVICE_UNAVAILABLE, "busy"),
    (HTTPStatus.SERVICE_UNAVAILABLE, "too_slow"),
)


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document. It says the same for the same operations: a copy of it is kept with the documents."""
    types: set[type[msgspec.Struct]] = {Error}
    for operation in operations:
        types |= {kind for kind in (operation.answer, operation.body) if isinstance(kind, type)}
    _, components = msgspec.json.schema_components(sorted(types, key=lambda kind: kind.__name__), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(f"/api/v1{operation.path}", {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Afterimage",
            "version": "1",
            "summary": "Search, coverage, jobs, failures, keys and the audit log of one Afterimage.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "`afterimage keys create` makes one."},
                "console": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": f"The console's session. Changes need its token in {CSRF_HEADER}.",
                },
            },
        },
        "security": [{"key": []}, {"console": []}],
    }


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _needs(operation),
        "parameters": [*_in_path(operation.path), *_in_query(operation.query)],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        schema = {"$ref": _REF.format(name=operation.body.__name__)}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if operation.uploads:
        body = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
        described["requestBody"] = {"required": True, "content": dict.fromkeys(operation.uploads, body)}
    return described


def _needs(operation: Operation) -> str:
    where = ", for every server" if operation.everything else ""
    return f"Needs a key of scope {operation.scope.value}{where}."


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": dict(_ID)} for name in re.findall(r"\{(\w+)\}", path)
    ]


def _in_query(query: type[msgspec.Struct]) -> list[dict[str, Any]]:
    schema: Mapping[str, Any] = msgspec.json.schema_components([query], ref_template=_REF)[1][query.__name__]
    found = []
    for name, values in schema["properties"].items():
        values = dict(values)
        described = values.pop("description", "")
        found.append({"name": name, "in": "query", "description": described, "schema": values})
    return found


def _responses(operation: Operation) -> dict[str, Any]:
    if isinstance(operation.answer, str):
        content: dict[str, Any] = {operation.answer: {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": {"$ref": _REF.format(name=operation.answer.__name__)}}}
    responses: dict[str, Any] = {
        str(operation.status.value): {"description": operation.status.phrase, "content": content}
    }
    refused: dict[int, list[str]] = {}
    too_large = [(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")] if operation.body or operation.uploads else []
    for status, code in (*_USUAL, *too_large, *operation.refusals):
        refused.setdefault(status.value, []).append(code)
    error = {"application/json": {"schema": {"$ref": _REF.format(name=Error.__name__)}}}
    for number, codes in sorted(refused.items()):
        told = " ".join(f"`{code}`: {CODES[code]}" for code in codes)
        responses[str(number)] = {"description": told, "content": error}
    if operation.answer == "image/webp":
        responses["304"] = {"description": "The copy with the ETag of If-None-Match may still be shown."}
    return responses
