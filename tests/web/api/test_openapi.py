"""The OpenAPI document: committed as it is served, told in docs/http.md, and kept by the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.web.api.__main__ import text
from bot.web.api.api import OPERATIONS
from bot.web.api.openapi import document
from bot.web.errors import CODES
from tests.worlds.api_world import ApiWorld

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("api document")]

ROOT = Path(__file__).resolve().parents[3]


async def test_the_document_that_is_kept_is_the_one_that_is_served(api: ApiWorld) -> None:
    assert (ROOT / "docs" / "openapi.json").read_text("utf-8") == text()  # python -m bot.web.api docs/openapi.json
    async with api.http.get(f"{api.url}/api/v1/openapi.json") as response:
        assert await response.json() == document(OPERATIONS)


async def test_every_operation_and_every_code_stands_in_the_reference() -> None:
    reference = (ROOT / "docs" / "http.md").read_text("utf-8")
    for operation in OPERATIONS:
        scope = f"{operation.scope.value}, every server" if operation.everything else operation.scope.value
        assert f"| `{operation.method} {operation.path}` | {scope} | {operation.summary} |" in reference
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning} |" in reference


async def test_names_of_operations_are_unique_and_every_refusal_has_a_documented_code() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert {code for operation in OPERATIONS for _, code in operation.refusals} <= set(CODES)
