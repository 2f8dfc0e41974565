"""The tools' JSON schemas."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from stills.mcp.schemas import GENERATE, TOOLS

SCHEMAS = {
    f"{tool.name} {name}": schema
    for tool in TOOLS
    for name, schema in (("input", tool.input_schema), ("output", tool.output_schema))
}


def parts_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and all schemas in it."""
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, (dict, list)):
            yield from parts_of(part)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_has_no_list_of_types(name: str):
    """Several clients read only a single type, and drop a tool with a list of them."""
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert not [part for part in parts_of(SCHEMAS[name]) if isinstance(part.get("type"), list)]


def test_a_value_that_may_be_null_has_a_description():
    """The description stays beside the alternatives."""
    cost = GENERATE.output_schema["properties"]["cost_usd"]
    assert cost["description"]
    for value in (0.075, None):
        jsonschema.validate(value, cost)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate("0.075", cost)
