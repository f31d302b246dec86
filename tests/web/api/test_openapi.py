"""The OpenAPI document: committed as it is served, told in docs/http.md, and kept by the server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation.jsonschema import builder
from schemathesis.specs.openapi import checks

from bot.web.api.__main__ import text
from bot.web.api.api import OPERATIONS
from bot.web.api.openapi import document
from bot.web.errors import CODES
from bot.web.server import LINE_BYTES
from tests.soak import SOAK
from tests.worlds.api_world import ADMIN, ApiWorld

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("api document")]

ROOT = Path(__file__).resolve().parents[3]


async def test_the_document_that_is_kept_is_the_one_that_is_served(api: ApiWorld) -> None:
    for name in ("docs/openapi.json", "docs/http-reference.md"):
        assert (ROOT / name).read_text("utf-8") == text(ROOT / name), f"python -m bot.web.api {name}"
    async with api.http.get(f"{api.url}/api/v1/openapi.json") as response:
        assert await response.json() == document(OPERATIONS)


async def test_every_operation_and_every_code_stands_in_the_reference() -> None:
    reference = (ROOT / "docs" / "http.md").read_text("utf-8")
    for operation in OPERATIONS:
        scope = f"{operation.scope.value}, every server" if operation.everything else operation.scope.value
        assert f"| `{operation.method} {operation.path}` | {scope} | {operation.summary} |" in reference
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning} |" in reference


async def test_the_page_of_the_reference_names_every_field_and_links_to_types_that_stand_there() -> None:
    page, made = (ROOT / "docs" / "http-reference.md").read_text("utf-8"), document(OPERATIONS)
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            (section,) = re.findall(
                rf"^## `{method.upper()} {re.escape(path)}`$(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE
            )
            assert operation["summary"] in section
            for parameter in operation["parameters"]:
                assert f"| `{parameter['name']}` | {parameter['in']} | " in section
    for name, schema in made["components"]["schemas"].items():
        (section,) = re.findall(rf"^### {name}$(.*?)(?=^### |\Z)", page, re.DOTALL | re.MULTILINE)
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(schema["properties"])
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= headings


async def test_names_of_operations_are_unique_and_every_refusal_has_a_documented_code() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert {code for operation in OPERATIONS for _, code in operation.refusals} <= set(CODES)


# What schemathesis holds each answer against, beside that the server does not fail.
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
assert builder is not None, "it is imported here, because its import would hold up the event loop"
# Their answers have no end: tests/web/api/test_resources.py, test_archives.py and test_bundles.py read them.
ENDLESS = ("jobEvents", "importEvents", "bundleEvents")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
async def test_the_server_answers_as_the_document_says(api: ApiWorld, mode: GenerationMode) -> None:
    """With data that fits, asked of a server that is there; and with data that does not fit."""
    hit = (await api.ask(f"{api.town}/search"))["hits"][0]
    there = {"guild": str(api.place.guild.id), "place": hit["place"], "job": "1", "key": "999999"}
    there |= {"upload": "1", "part": "0", "bundle": "1"}
    keys = [(await api.service.api_keys.create("schemathesis", ADMIN))[1] for _ in OPERATIONS]  # each has its limits
    await asyncio.to_thread(_hold_all, mode, there, api.url, keys)


def _hold_all(mode: GenerationMode, there: dict[str, str], url: str, keys: list[str]) -> None:
    described = schemathesis.openapi.from_dict(document(OPERATIONS))
    for key, result in zip(keys, described.get_all_operations(), strict=True):
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.definition.raw["operationId"] in ENDLESS:
            continue
        fixed = {name: value for name, value in there.items() if f"{{{name}}}" in operation.path}
        path = fixed if mode is GenerationMode.POSITIVE and fixed else None
        cases = operation.as_strategy(generation_mode=mode, path_parameters=path)
        _hold(cases.filter(_is_http), url, key)


def _is_http(case: schemathesis.Case[Any]) -> bool:
    """A longer line is no HTTP to the server, which then answers in plain text."""
    return len(quote(f"{case.path_parameters} {case.query}")) < LINE_BYTES - 1000


def _hold(cases: SearchStrategy[schemathesis.Case[Any]], url: str, key: str) -> None:
    """Sends some of these cases, and checks each answer."""

    @settings(
        max_examples=100 if SOAK else 3,
        phases=[Phase.generate],
        database=None,
        derandomize=not SOAK,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def hold(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)

    hold()
