"""docs/http-reference.md, made from the OpenAPI document: every operation with all it takes and answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_HEAD = """# Reference of the HTTP interface

Made by `python -m bot.web.api docs/http-reference.md` from the same types as [openapi.json](openapi.json).
[HTTP](http.md) says what keys are, and what the [codes](http.md#errors) of refusals mean. Ids are strings of digits,
times Unix milliseconds (`…_ms`). Any operation may also answer 400, 401, 403, 404, 429, 500 and 503.
"""
_USUAL = {"400", "401", "403", "404", "429", "500", "503"}
_LIMITS = {
    "minimum": "{} or more",
    "maximum": "at most {}",
    "minLength": "{} characters or more",
    "maxLength": "at most {} characters",
    "minItems": "{} or more",
    "maxItems": "at most {}",
}


def reference(document: Schema) -> str:
    """The page, in Markdown."""
    lines = [_HEAD]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += [f"## `{method.upper()} {path}`", "", *_operation(operation), ""]
    lines += ["## Types", ""]
    for name, schema in document["components"]["schemas"].items():
        lines += [f"### {name}", "", *_type(schema), ""]
    return "\n".join(lines).rstrip() + "\n"


def _operation(operation: Schema) -> Iterator[str]:
    yield f"{operation['summary']} {operation['description']}"
    if operation["parameters"]:
        yield from ("", "| parameter | in | type | |", "|---|---|---|---|")
        for parameter in operation["parameters"]:
            shown = _shown(parameter["schema"])
            yield f"| `{parameter['name']}` | {parameter['in']} | {shown} | {parameter.get('description', '')} |"
    if body := operation.get("requestBody"):
        yield from ("", f"Takes {_content(body['content'])}.")
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield from ("", f"Answers {status} with {_content(response['content'])}.")
    refused = {status: told["description"] for status, told in operation["responses"].items() if status[0] in "34"}
    for status, told in refused.items():
        if status not in _USUAL:
            yield from ("", f"{status}: {told}")


def _content(content: Schema) -> str:
    kinds = ", ".join(f"`{kind}`" for kind in content)
    schema = next(iter(content.values()))["schema"]
    return f"{_shown(schema)} ({kinds})" if "$ref" in schema else kinds


def _type(schema: Schema) -> Iterator[str]:
    if told := schema.get("description"):
        yield from (" ".join(told.split()), "")
    required = schema.get("required", ())
    yield from ("| field | type | |", "|---|---|---|")
    for name, field in schema["properties"].items():
        left_out = "" if name in required else "may be left out"
        yield f"| `{name}` | {_shown(field)} | {field.get('description', '') or left_out} |"


def _shown(schema: Schema) -> str:
    """A type in words; the name of one of our own as a link to it."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if several := schema.get("anyOf"):
        return " or ".join(_shown(choice) for choice in several)
    if values := schema.get("enum"):
        shown = " or ".join(f"`{value}`" for value in values)
    elif schema.get("type") == "array":
        shown = f"list of {_shown(schema['items'])}" if schema.get("items") else "list"
    elif schema.get("pattern") == "^[0-9]{1,19}$":
        shown = "id"
    else:
        shown = str(schema.get("type", "any value"))
    limits = [text.format(f"{schema[name]:,}") for name, text in _LIMITS.items() if name in schema]
    if schema.get("default") is not None and schema["default"] != "":
        limits.append(f"`{schema['default']}` by default")
    return ", ".join([shown, *limits])
