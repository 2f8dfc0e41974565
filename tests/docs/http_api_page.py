"""Writes the reference of the HTTP routes as Markdown, from the OpenAPI document of the service."""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from stills.app import Stills
from stills.contract.models import DEFAULT_MODEL
from stills.http.app import make_app
from stills.http.settings import Settings

PLACE = "<!-- the routes of the service, from its OpenAPI document -->"
Json = Mapping[str, Any]
_METHODS = ("get", "post", "delete")  # head is like get


def render() -> str:
    """Return every route and every value of the service as Markdown."""
    return "\n".join(_lines(asyncio.run(read_document()))) + "\n"


async def read_document() -> Json:
    """Ask the service for its OpenAPI document."""
    with tempfile.TemporaryDirectory() as folder:
        stills = Stills.from_catalog(environment={"HOME": folder, "OUTPUT_DIR": folder})
        async with stills:
            service = httpx.ASGITransport(make_app(stills, Settings(model=DEFAULT_MODEL)))
            async with httpx.AsyncClient(transport=service, base_url="http://127.0.0.1") as client:
                document: Json = (await client.get("/openapi.json")).json()
    return document


def _lines(document: Json) -> Iterator[str]:
    failures: dict[str, str] = {}
    yield from ("## Routes", "")
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield from _operation(f"{method.upper()} {path}", operations[method], failures)
    yield from ("## Failures", "", "The body is [ErrorBody](#errorbody).", "")
    yield from _table("status", "meaning", sorted(failures.items()))
    yield from ("## Values", "")
    for name, schema in document["components"]["schemas"].items():
        if not name.endswith("ValidationError"):  # FastAPI's own, which is never answered
            yield from (f"### {name}", "", _text(schema), "")
            yield from _fields(schema)


def _operation(heading: str, operation: Json, failures: dict[str, str]) -> Iterator[str]:
    yield from (f"### {heading}", "", operation.get("description") or operation["summary"], "")
    parameters = operation.get("parameters", ())
    if parameters:
        named = [(f"`{one['name']}`", one["in"], _about(one | one["schema"])) for one in parameters]
        yield from _table("parameter", "in", "meaning", named)
    bodies = {json.dumps(one["schema"]): [] for one in _contents(operation.get("requestBody"))}
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        bodies[json.dumps(content["schema"])].append(kind)
    for schema, kinds in bodies.items():
        yield from (f"The body is {' or '.join(f'`{kind}`' for kind in kinds)}:", "")
        yield from _fields(json.loads(schema), is_request=True)
    answers = []
    for status, response in operation["responses"].items():
        if status < "400":
            kinds = [
                f"`{kind}`{_type_of(content.get('schema', {}), ': ')}"
                for kind, content in response.get("content", {}).items()
            ]
            answers.append((status, response["description"], "; ".join(kinds)))
        else:
            failures.setdefault(status, response["description"])
    yield from _table("status", "meaning", "body", answers)
    failed = ", ".join(status for status in operation["responses"] if status >= "400")
    yield from (f"[Failures](#failures): {failed}.", "")


def _contents(body: Json | None) -> Iterator[Json]:
    yield from (body or {}).get("content", {}).values()


def _fields(schema: Json, *, is_request: bool = False) -> Iterator[str]:
    required = schema.get("required", ()) if is_request else ()
    rows = [
        (f"`{name}`{' (required)' if name in required else ''}", _type(one), _about(one))
        for name, one in schema.get("properties", {}).items()
    ]
    if rows:
        yield from _table("field", "type", "meaning", rows)


def _about(schema: Json) -> str:
    """Describe a value by its text and its limits."""
    for one in schema.get("anyOf", ()):  # a value that may also be null
        if one.get("type") != "null":
            schema = {**one, **schema}
    limits = {
        "default": "default {}", "minimum": "at least {}", "maximum": "at most {}",
        "maxLength": "at most {} characters", "maxItems": "at most {} items",
    }  # fmt: skip
    found = {
        one: phrase.format(f"`{json.dumps(schema[one])}`")
        for one, phrase in limits.items()
        if schema.get(one) is not None and str(schema[one]) not in schema.get("description", "")
    }
    parts = [_text(schema), ", ".join(found.values()).capitalize()]
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def _text(schema: Json) -> str:
    return " ".join(schema.get("description", "").split()).replace("*", "\\*")


def _type(schema: Json) -> str:
    """Name the type of a value, with a link if it is one of the values of the page."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        some = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(_type(one) for one in some))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{one}`" for one in values if one is not None)
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "any"))


def _type_of(schema: Json, before: str) -> str:
    return before + _type(schema) if "$ref" in schema else ""


def _table(*parts: Any) -> Iterator[str]:
    """Yield a table: its headings, then its rows as the last argument."""
    *headings, rows = parts
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        cells = (cell.replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(cells)} |"
    yield ""
