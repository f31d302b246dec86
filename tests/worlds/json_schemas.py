"""The documented schemas of what commands print for programs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # its stubs are a package of their own

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def assert_schema(name: str, value: object) -> None:
    """Raises ValidationError where the value is not as docs/schemas/NAME.json says."""
    _validator(name).validate(value)


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
