"""Every front end takes every field of a request, as `ImageRequest` describes it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.support.documents import ROOT, SKILL, code, rows

from stills.cli.commands.generate import read_request
from stills.cli.main import build_parser
from stills.contract.models import find_model
from stills.contract.request import REQUEST_FIELDS, ImageRequest, RequestField
from stills.contract.size import Size
from stills.contract.takes import TAKES_FIELD
from stills.http.openai_output import OUTPUT_FIELDS
from stills.http.openai_references import REFERENCE_FIELDS
from stills.http.openai_request import SIZE_PARTS, read_generation
from stills.http.openapi import CONTRACT, EDIT, GENERATION
from stills.http.routes.contract import ResultsBody
from stills.http.routes.images import ImageDetail
from stills.mcp.schemas import GENERATE, SHOW
from stills.pipeline.plan import make_plan
from stills.pipeline.reference import Reference
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Shot

EXAMPLE = {name: field.example for name, field in REQUEST_FIELDS.items()}
URL = EXAMPLE | {
    "reference_image": "https://example.com/anna.png",
    "reference_images": ["https://example.com/tom.png"],
}
NO_REFERENCES: dict[str, Any] = {"reference_image": None, "reference_images": ()}
REFERENCE = SKILL / "references" / "api_reference.md"
FIELD = "request field"
SHOT_LISTS = ROOT / "docs" / "shot-lists.md"

every_field = pytest.mark.parametrize("field", REQUEST_FIELDS.values(), ids=REQUEST_FIELDS)


def properties(body: dict) -> dict[str, dict]:
    """List the schemas of a documented HTTP body, without the alternative null."""
    content, *_ = body["requestBody"]["content"].values()
    listed = content["schema"]["properties"]
    return {name: one.get("anyOf", [one])[0] for name, one in listed.items()}


def meaning(cell: str) -> str:
    """Read a description from a cell of a Markdown table."""
    return re.sub(r"[`\\]", "", cell)


@every_field
def test_a_field_has_a_description_and_a_valid_example(field: RequestField):
    """Front ends have nothing else to describe the field with."""
    assert field.summary
    assert not field.phrase.endswith(".")
    types = {bool: "boolean", int: "integer", str: "string", list: "array"}
    assert field.type == types[type(field.example)]
    minimal = {"prompt": "a kite", "size": "64*64"} | {field.name: field.example}
    read = getattr(ImageRequest.from_mapping(minimal), field.name)
    assert (list(read) if field.type == "array" else read) == field.example


def test_the_command_line_passes_on_every_field():
    """`generate` has an argument for the prompt, and an option that is repeated for a list."""
    arguments = ["generate", EXAMPLE["prompt"]]
    for name, value in EXAMPLE.items():
        option = name.removesuffix("s").replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{option}" if value else f"--no-{option}")
        elif name != "prompt":
            for one in value if isinstance(value, list) else [value]:
                arguments += [f"--{option}", str(one)]
    request = read_request(build_parser().parse_args(arguments))
    every = ImageRequest.from_mapping(EXAMPLE)
    assert request.all_references == every.all_references
    assert replace(request, **NO_REFERENCES) == replace(every, **NO_REFERENCES)


def test_a_row_of_a_shot_list_passes_on_every_field(tmp_path):
    """A column is never read and then dropped."""
    (tmp_path / "shots.jsonl").write_text(json.dumps(URL), encoding="utf-8")
    (shot,) = read_shots(tmp_path / "shots.jsonl", Defaults())
    assert isinstance(shot, Shot)
    every = ImageRequest.from_mapping(URL)
    assert [one.image for one in shot.references] == list(every.all_references)
    assert shot.request == replace(every, **NO_REFERENCES)


def test_an_openai_request_passes_on_every_field():
    """Its references are called `image`, as OpenAI calls them."""
    every = ImageRequest.from_mapping(URL)
    given = {name: one for name, one in URL.items() if not name.startswith("reference_image")}
    given["image"] = list(every.all_references)
    wanted = read_generation(given, default_model="qwen-image-2.0", aliases={})
    assert wanted.first.all_references == every.all_references
    assert replace(wanted.first, **NO_REFERENCES) == replace(every, **NO_REFERENCES)


@every_field
def test_a_field_is_part_of_what_makes_requests_identical(field: RequestField):
    """A request that differs in a field never gets the other's image from the catalog."""
    model = find_model("qwen-image-3.0")
    base: dict[str, Any] = {"prompt": "a kite", "size": "1024*1024"}
    changed = ImageRequest.from_mapping(base | {field.name: field.example})
    references = [
        Reference(str(one), str(one), str(one), Size(64, 64)) for one in changed.all_references
    ]
    plain = make_plan(ImageRequest(**base), model, provider="sandbox")
    other = make_plan(changed, model, provider="sandbox", references=references)
    assert plain.spec.key != other.spec.key


@every_field
def test_the_openapi_document_describes_a_field(field: RequestField):
    """Type, limits and description are those of the request, for OpenAI's routes too."""
    expected = field.schema()
    documented = properties(CONTRACT)[field.name]
    assert documented["type"] == expected["type"]
    assert field.limits.items() <= documented.items()
    assert documented["description"].startswith(field.schema(details="")["description"])
    for body in (GENERATION, EDIT):
        if field.name.startswith("reference_image"):
            assert "image" in properties(body)
            continue
        described = properties(body)[field.name]
        assert described.get("type", "string") == expected["type"]
        assert field.limits.items() <= described.items()
    (content,) = CONTRACT["requestBody"]["content"].values()
    assert (field.name in content["schema"]["required"]) is field.is_required


@every_field
def test_the_mcp_tool_describes_a_field(field: RequestField):
    """Type, limits and description are those of the request."""
    documented = GENERATE.input_schema["properties"][field.name]
    assert documented["type"] == field.type
    assert field.limits.items() <= documented.items()
    assert documented["description"].startswith(field.schema(details="")["description"])
    assert (field.name in GENERATE.input_schema["required"]) is field.is_required


def test_http_and_mcp_have_the_same_names():
    """A request, its result and a stored image: nothing is called differently by one of them."""
    assert set(properties(CONTRACT)) == set(GENERATE.input_schema["properties"])
    results, image = GENERATE.output_schema["properties"], SHOW.output_schema["properties"]
    assert set(ResultsBody.model_fields) == set(results)
    assert set(ImageDetail.model_fields) == set(image)


def test_no_example_is_a_path_where_paths_are_refused():
    """A client over HTTP that copies it would get an error."""
    for described in (properties(CONTRACT), GENERATE.input_schema["properties"]):
        for name in ("reference_image", "reference_images"):
            assert ".png" not in json.dumps(described[name])


def test_takes_are_described_in_the_same_words_everywhere():
    """They are next to the request's fields."""
    for described in (properties(CONTRACT), GENERATE.input_schema["properties"]):
        assert described["takes"] == TAKES_FIELD.schema()


@pytest.mark.parametrize("described", [CONTRACT, GENERATION, EDIT], ids=["contract", "new", "edit"])
def test_http_takes_no_field_that_a_request_lacks(described):
    """A field that is removed disappears from the documents as well."""
    others = {
        "model",
        "fresh",
        "n",
        "takes",
        "image[]",
        *REFERENCE_FIELDS,
        *OUTPUT_FIELDS,
        *SIZE_PARTS,
    }
    known = {*REQUEST_FIELDS, *others}
    extra = {name for name in properties(described) if name not in known}
    assert all(properties(described)[name].keys() == {"description"} for name in extra)


def test_the_skill_describes_every_field():
    """Its table has the field's name, type, whether it is required, and description."""
    described = [[*code(row[0]), *row[1:3], meaning(row[3])] for row in rows(REFERENCE, FIELD)]
    assert described == [
        [field.name, field.type, "yes" if field.is_required else "no", field.description]
        for field in REQUEST_FIELDS.values()
    ]


@every_field
def test_the_page_on_shot_lists_describes_a_field(field: RequestField):
    """A column means what the field means; the page may add what a shot list does with it."""
    if field.name == "reference_images":
        field = REQUEST_FIELDS["reference_image"]  # another name of its column
    described = {code(row[0])[0]: row[-1] for row in rows(SHOT_LISTS, "field")}
    summary = field.schema(details="")["description"].rstrip(".")
    assert meaning(described[field.name]).startswith(summary)
