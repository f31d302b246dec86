"""Discord's own OpenAPI description, to hold requests and answers against. It is not part of this repository.

It is looked for at $DISCORD_OPENAPI, then at ../shared/discord-openapi.json beside the repository; tests
that need it skip where it is in neither place.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # its stubs are a package of their own
from jsonschema.exceptions import ValidationError, best_match  # type: ignore[import-untyped]  # the same
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from sandbox.record import Exchange

VARIABLE: Final = "DISCORD_OPENAPI"
_BESIDE: Final = Path(__file__).resolve().parents[2] / "shared" / "discord-openapi.json"
_ANSWERS: Final = "urn:discord:answers"
_REQUESTS: Final = "urn:discord:requests"
# The description has no word about this one: it is known from the field only.
UNDOCUMENTED: Final = ("POST /attachments/refresh-urls",)


class Mismatch(AssertionError):
    """A request or answer that Discord's description does not allow."""


def path() -> Path | None:
    """Where the description is, if it is anywhere."""
    named = os.environ.get(VARIABLE)
    for candidate in [Path(named)] if named else [_BESIDE]:
        if candidate.is_file():
            return candidate
    return None


def description() -> OpenApi:
    """The description. Skips the test that asks for it where there is none."""
    found = path()
    if found is None:
        pytest.skip(f"Discord's OpenAPI description is neither at ${VARIABLE} nor at {_BESIDE}")
    return _load(found)


@cache
def _load(file: Path) -> OpenApi:
    return OpenApi(json.loads(file.read_text("utf-8")))


class OpenApi:
    """Validates whole exchanges, and single values against a schema by name."""

    def __init__(self, document: dict[str, Any]) -> None:
        _amend(document)
        asked = copy.deepcopy(document)
        _amend_requests(asked)
        self._registry: Registry[Any] = Registry().with_resources(
            (uri, Resource.from_contents(contents, default_specification=DRAFT202012))
            for uri, contents in ((_ANSWERS, document), (_REQUESTS, asked))
        )
        self._document = document
        self._paths: dict[str, Any] = document["paths"]
        self._validators: dict[str, Draft202012Validator] = {}

    async def check(self, exchanges: Collection[Exchange]) -> int:
        """Checks requests and answers; returns how many. Raises Mismatch with the first thing that is wrong.

        In a thread: pages of a hundred messages take seconds, for which no event loop may stand.
        """
        await asyncio.to_thread(self._check_all, list(exchanges))
        return len(exchanges)

    def _check_all(self, exchanges: Iterable[Exchange]) -> None:
        for exchange in exchanges:
            self.check_request(exchange)
            self.check_answer(exchange)

    def check_request(self, exchange: Exchange) -> None:
        """The query and body of a request that was not refused. Raises Mismatch."""
        if exchange.route in UNDOCUMENTED or exchange.status >= 400:
            return
        where, operation = self._operation(exchange)
        known = {p["name"]: (i, p) for i, p in enumerate(operation.get("parameters", [])) if p["in"] == "query"}
        for name, values in exchange.query.items():
            if name not in known:
                raise Mismatch(f"{exchange.route}: the query {name}= is not described")
            i, parameter = known[name]
            schema = parameter["schema"]
            pointer = f"{where}/parameters/{i}/schema"
            self._check(_REQUESTS, pointer, _typed(values, schema), f"{exchange.route} ?{name}")
        body = operation.get("requestBody")
        if body is None:
            return
        kinds = body["content"]
        kind = "multipart/form-data" if exchange.multipart and "multipart/form-data" in kinds else "application/json"
        if exchange.body is None and not body.get("required"):
            return
        pointer = f"{where}/requestBody/content/{kind.replace('/', '~1')}/schema"
        self._check(_REQUESTS, pointer, exchange.body, f"{exchange.route}, the request")

    def check_answer(self, exchange: Exchange) -> None:
        """The body of an answer, errors too. Raises Mismatch."""
        if exchange.route in UNDOCUMENTED:
            return
        where, operation = self._operation(exchange)
        responses = operation["responses"]
        key = str(exchange.status)
        if key not in responses:
            key = f"{key[0]}XX"
        if key not in responses:
            raise Mismatch(f"{exchange.route} answers {exchange.status}, which is not described: {exchange.answer}")
        pointer, response = f"{where}/responses/{key}", responses[key]
        if "$ref" in response:
            pointer = str(response["$ref"])
            response = self._registry.resolver(_ANSWERS).lookup(pointer).contents
        if "content" not in response:
            if exchange.answer is not None:
                raise Mismatch(f"{exchange.route} answers {exchange.status} with a body: {exchange.answer}")
            return
        pointer = f"{pointer}/content/application~1json/schema"
        self._check(_ANSWERS, pointer, exchange.answer, f"{exchange.route}, the answer {exchange.status}")

    def check_schema(self, name: str, value: Any) -> None:
        """A value against a schema of the description by its name. Raises Mismatch."""
        self._check(_ANSWERS, f"#/components/schemas/{name}", value, name)

    def schema(self, name: str) -> dict[str, Any]:
        """A schema of the description by its name. Raises KeyError."""
        found: dict[str, Any] = self._document["components"]["schemas"][name]
        return found

    def _operation(self, exchange: Exchange) -> tuple[str, dict[str, Any]]:
        """The JSON pointer of the operation, and the operation."""
        method, _, template = exchange.route.partition(" ")
        try:
            operation: dict[str, Any] = self._paths[template][method.lower()]
        except KeyError:
            raise Mismatch(f"{exchange.route} is not described") from None
        escaped = template.replace("~", "~0").replace("/", "~1")
        return f"#/paths/{escaped}/{method.lower()}", operation

    def _check(self, uri: str, pointer: str, value: Any, what: str) -> None:
        reference = uri + pointer.replace("{", "%7B").replace("}", "%7D")
        if reference not in self._validators:
            self._validators[reference] = Draft202012Validator({"$ref": reference}, registry=self._registry)
        error = best_match(self._validators[reference].iter_errors(value))
        if error is not None:
            raise Mismatch(f"{what}: {_where(error)}: {error.message[:600]}")


def _where(error: ValidationError) -> str:
    return "/".join(str(part) for part in error.absolute_path) or "(top)"


def _typed(values: list[str], schema: dict[str, Any]) -> Any:
    """Query values as JSON values of the schema's type."""
    if schema.get("type") == "array":
        return values
    text = values[-1]
    if schema.get("type") == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if schema.get("type") == "integer" or "integer" in schema.get("type", ()):
        return int(text) if text.lstrip("-").isdecimal() else text
    return text


def _amend(document: dict[str, Any]) -> None:
    """What Discord's documentation allows and its description forgets."""
    schemas = document["components"]["schemas"]
    # "Message Reference Types" lists FORWARD = 1.
    schemas["MessageReferenceType"]["oneOf"].append({"title": "FORWARD", "const": 1})
    # "Channel Types" lists GUILD_MEDIA = 16.
    schemas["ChannelTypes"]["oneOf"].append({"title": "GUILD_MEDIA", "const": 16})
    schemas["GuildChannelResponse"]["properties"]["type"]["enum"].append(16)
    # "Error Messages": the codes of single fields are names such as BASE_TYPE_REQUIRED.
    schemas["InnerErrors"]["properties"]["_errors"]["items"] = {
        "type": "object",
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        "required": ["code", "message"],
    }


def _amend_requests(document: dict[str, Any]) -> None:
    """In requests Discord takes a snowflake as a number too ("Snowflakes", "ID Serialization")."""
    schemas = document["components"]["schemas"]
    schemas["SnowflakeType"] = {"anyOf": [schemas["SnowflakeType"], {"type": "integer", "minimum": 0}]}
