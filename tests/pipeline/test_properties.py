"""Properties of every size, every spelling of a request, and every content of a sidecar file.

A failure prints the example that fails; hypothesis tries it first in the next run.
"""

import base64
import json
import string
import unicodedata
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.reference_loader import make_loader

from stills.contract.errors import InvalidRequest
from stills.contract.generation import (
    Generation,
    GenerationSpec,
    Inspection,
    ReferenceRecord,
    Stage,
)
from stills.contract.models import MODELS, SEED_MAX, find_model
from stills.contract.request import ImageRequest
from stills.contract.size import Size, parse_size
from stills.imaging.fit import cover_crop, fit_png
from stills.pipeline.native_size import native_size
from stills.pipeline.object_names import object_path, read_object_path
from stills.pipeline.plan import Plan, make_plan
from stills.pipeline.reference import Reference
from stills.pipeline.sidecar import read_sidecar, write_sidecar

sides = st.integers(64, 4096)
sizes = st.builds(Size, sides, sides)
models = st.sampled_from(sorted(MODELS)).map(find_model)
text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60)
prompts = text.filter(
    lambda written: any(unicodedata.category(one)[0] not in "CZ" for one in written)
)
seeds = st.none() | st.integers(0, SEED_MAX)

ID = "0123456789ab"

# No example is given a time: a busy machine would fail the test.
untimed = settings(deadline=None, print_blob=True)


def plan(asked: dict[str, Any], *, model: str = "qwen-image-2.0", **more: Any) -> Plan:
    request = ImageRequest.from_mapping(asked)
    given_parts = {"provider": "dashscope"} | more
    return make_plan(request, find_model(model), **given_parts)


# Sizes


@untimed
@given(size=sizes, model=models)
@example(Size(64, 4096), find_model("qwen-image-max"))
@example(Size(4096, 64), find_model("qwen-image-2.0"))
def test_the_crop_is_within_the_source_and_has_the_requested_aspect_ratio(size, model):
    """One side is used completely, the window is centred, and only rounding changes its ratio."""
    native = native_size(size, model)
    left, top, width, height = cover_crop(native, size)
    assert left >= 0
    assert top >= 0
    assert 1 <= width <= native.width - left
    assert 1 <= height <= native.height - top
    assert width == native.width or height == native.height
    assert 0 <= native.width - width - 2 * left <= 1
    assert 0 <= native.height - height - 2 * top <= 1
    # Half a pixel is what rounding may add to or take from the side that was cut.
    exact_width = height * size.width / size.height
    exact_height = width * size.height / size.width
    assert abs(width - exact_width) <= 0.5 or abs(height - exact_height) <= 0.5


@untimed
@given(size=sizes, model=models)
def test_the_native_size_is_one_that_the_model_makes(size, model):
    """The nearest of its fixed sizes, or any multiple of 16 in its range of pixels and ratios."""
    native = native_size(size, model)
    if not model.native_sizes:
        assert model.pixels_min <= native.pixels <= model.pixels_max
        assert 1 / 8 <= native.aspect_ratio <= 8
        assert [side % 16 for side in native] == [0, 0]
        return
    assert native in model.native_sizes

    def distance(one: Size) -> float:
        return max(one.aspect_ratio, size.aspect_ratio) / min(one.aspect_ratio, size.aspect_ratio)

    assert distance(native) <= min(map(distance, model.native_sizes)) * (1 + 1e-8)


@pytest.mark.parametrize(
    "size", ["64*64", "64*4096", "4096*64", "1023*767", "1920*1080", "65*1000", "1664*928"]
)
def test_the_rendered_image_has_exactly_the_requested_size(size):
    """In real pixels, from the planned native size."""
    wanted = parse_size(size)
    native = native_size(wanted, find_model("qwen-image-max"))
    source = pyvips.Image.black(*native, bands=3).copy(interpretation="srgb").pngsave_buffer()
    image = pyvips.Image.new_from_buffer(fit_png(source, wanted), "", fail_on="warning")
    assert (image.width, image.height) == wanted
    assert image.avg() == 0.0


# Keys

FIELDS = {
    "prompt": prompts,
    "size": sizes.map(str),
    "negative_prompt": st.none() | prompts,
    "style": st.none() | prompts,
    "seed": seeds,
}
requests = st.fixed_dictionaries(FIELDS)
space = st.text(string.whitespace + "\u3000\u00a0", max_size=3)


@st.composite
def spellings(draw: Any) -> tuple[dict[str, Any], str]:
    """A request, and the same request as another client would write it in JSON."""
    fields = draw(requests)
    spelt = dict(fields)
    for name in ("prompt", "negative_prompt", "style"):
        if fields[name] is not None:
            spelt[name] = draw(space) + fields[name] + draw(space)
        elif draw(st.booleans()):
            spelt[name] = draw(space)
    width, height = parse_size(fields["size"])
    sign = draw(st.sampled_from("*xX×"))
    spelt["size"] = f"{draw(space)}{width}{draw(space)}{sign}{draw(space)}{height}{draw(space)}"
    names = [name for name in spelt if spelt[name] is not None or draw(st.booleans())]
    shuffled = {name: spelt[name] for name in draw(st.permutations(names))}
    written = json.dumps(
        shuffled, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(2))
    )
    return fields, written


@untimed
@given(spellings())
def test_equal_requests_in_any_spelling_have_equal_keys(spelling):
    """Separators and spaces in sizes, outer spaces, empty fields, field order, escapes."""
    fields, written = spelling
    request, again = ImageRequest.from_mapping(fields), ImageRequest.from_json(written)
    assert again == request
    model = find_model("qwen-image-2.0")
    plans = [make_plan(one, model, provider="dashscope") for one in (request, again)]
    assert plans[0].spec.key == plans[1].spec.key
    assert replace(plans[0].provider_request, seed=0) == replace(plans[1].provider_request, seed=0)


@untimed
@given(first=requests, second=requests, same=st.sets(st.sampled_from(sorted(FIELDS))))
def test_keys_are_equal_if_and_only_if_the_same_reaches_the_service(first, second, same):
    """For requests that share any of their fields."""
    second = second | {name: first[name] for name in same}
    one, two = plan(first), plan(second)

    def sent(made: Plan, fields: dict[str, Any]) -> object:
        return replace(made.provider_request, seed=-1 if fields["seed"] is None else fields["seed"])

    assert (one.spec.key == two.spec.key) == (sent(one, first) == sent(two, second))


@untimed
@given(fields=requests, name=st.sampled_from(sorted(FIELDS)), data=st.data())
def test_a_change_of_any_one_field_that_reaches_the_service_changes_the_key(fields, name, data):
    """Except for a size with the same native size."""
    changed = fields | {name: data.draw(FIELDS[name])}
    one, two = plan(fields), plan(changed)
    asked = [ImageRequest.from_mapping(each) for each in (fields, changed)]
    if name == "size":
        same = one.spec.native_size == two.spec.native_size
    else:
        same = getattr(asked[0], name) == getattr(asked[1], name)
    assert (one.spec.key == two.spec.key) == same


@untimed
@given(fields=requests, digest=st.sampled_from(["a", "b"]))
def test_model_provider_and_reference_are_part_of_the_key(fields, digest):
    """The same prompt for another service, model or reference is another image."""
    reference = Reference("data:image/png;base64,AAAA", digest, "a.png", Size(64, 64))
    other = replace(reference, digest=f"{digest}{digest}")
    keys = {
        plan(fields).spec.key,
        plan(fields, provider="sandbox").spec.key,
        plan(fields, model="qwen-image-2.0-pro").spec.key,
        plan(fields, references=(reference,)).spec.key,
        plan(fields, references=(other,)).spec.key,
    }
    assert len(keys) == 5


@untimed
@given(fields=requests)
def test_a_random_seed_finds_the_image_again(fields):
    """`seeded_key` is the key of the same request with the returned seed."""
    unseeded = plan(fields | {"seed": None})
    seeded = plan(fields | {"seed": unseeded.spec.seed})
    assert unseeded.spec.seeded_key == seeded.spec.key == seeded.spec.seeded_key
    assert unseeded.spec.key != seeded.spec.key


@settings(untimed, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(width=st.integers(16, 64), height=st.integers(16, 64), name=st.sampled_from(["a", "ö b"]))
async def test_one_image_as_path_data_url_or_bytes_is_one_reference(tmp_path, width, height, name):
    """Only its content matters."""
    data: bytes = pyvips.Image.black(width, height).pngsave_buffer()
    path = tmp_path / f"{name}.png"
    path.write_bytes(data)
    encoded = base64.b64encode(data).decode()
    ways = [str(path), data, f"data:image/png;base64,{encoded}", f"DATA:;BASE64,{encoded}"]
    loader = make_loader()
    references = [await loader.load(way) for way in ways]
    assert len({(one.url, one.digest) for one in references}) == 1
    fields = {"prompt": "a kite", "size": "512*512", "seed": 1}
    assert len({plan(fields, references=(one,)).spec.key for one in references}) == 1


# The parser

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@st.composite
def mangled(draw: Any) -> bytes:
    """A valid request whose bytes were cut, doubled, flipped or re-encoded."""
    written = json.dumps(draw(requests), ensure_ascii=False)
    raw = bytearray(written.encode(draw(st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-7"]))))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 8)))
        raw[start:end] = draw(st.binary(max_size=4) | st.just(bytes(raw[start:end]) * 2))
    return bytes(raw)


@untimed
@given(mangled())
def test_a_mangled_request_is_read_or_rejected(raw):
    """It raises nothing but InvalidRequest."""
    with suppress(InvalidRequest):
        plan_and_name(ImageRequest.from_json(raw))


def plan_and_name(request: ImageRequest) -> None:
    """Plan and name a request that was read, or reject it with our own error."""
    made = make_plan(request, find_model("qwen-image-max"), provider="sandbox")
    path = object_path(made.spec, ID, made.size)
    assert read_object_path(path) == (ID, made.size)
    assert "/" not in path
    assert len(path.encode()) <= 200


@untimed
@given(
    st.fixed_dictionaries(
        {"prompt": text, "size": st.text(max_size=12)}
        | dict.fromkeys(("negative_prompt", "style", "seed"), json_values)
    )
)
def test_any_values_of_the_known_fields_are_planned_or_rejected(fields):
    """From the parser to the plan and the file name."""
    with suppress(InvalidRequest):
        plan_and_name(ImageRequest.from_mapping(fields))


# Facts

specs = st.builds(
    GenerationSpec,
    key=text,
    seeded_key=text,
    provider=text,
    model=text,
    prompt=text,
    style=st.none() | text,
    text=text,
    negative_prompt=st.none() | text,
    native_size=sizes,
    seed=st.integers(0, SEED_MAX),
    references=st.lists(st.builds(ReferenceRecord, text, st.none() | text)).map(tuple),
    price_usd=st.none() | st.floats(0, 1000),
)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
generations = st.builds(
    Generation,
    id=st.just(ID),
    spec=specs,
    stage=st.just(Stage.KEPT),
    created_at=st.floats(0, 4e9),
    notes=st.lists(text, max_size=3).map(tuple),
    sha256=digests,
    byte_count=st.integers(1, 10**9),
    object_path=st.sampled_from([f"a-kite-64x64-seed1-{ID}.png", f"纸鸢-{ID}.png", f"{ID}.png"]),
)
HOSTILE_VALUES = [
    *(float("inf"), float("nan"), 1e308, 10**400, 10**30, 0, -1, 1.5, True, None),
    *("", "../../etc/passwd", f"/{ID}.png", f"../{ID}.png", f"a\0{ID}.png", "\ud800", "\0"),
    *([64], [0, 0], [-64, 64], [64, 10**30], "64", ["\ud800"], [[]], {}),
]
PLACES = [
    *((False, name) for name in ("version", "id", "created_at", "notes", "sha256", "byte_count")),
    *((False, name) for name in ("path", "draft")),
    *((True, field.name) for field in fields(GenerationSpec)),
]


def written(generation: Generation) -> bytes:
    assert generation.sha256 is not None
    inspection = Inspection(generation.spec.native_size, generation.sha256, generation.byte_count)
    return write_sidecar(generation, inspection, path=generation.object_path or "")


@untimed
@given(generations)
def test_a_sidecar_is_read_back_unchanged(generation):
    """It has everything that the catalog needs."""
    assert read_sidecar(written(generation)) == generation


@settings(untimed, max_examples=5)
@given(generations, st.none() | digests)
def test_a_sidecar_of_a_version_with_one_reference_is_read(generation, digest):
    """Its digest is that of the only reference, whose name is unknown."""
    sidecar = json.loads(written(generation))
    del sidecar["draft"]["references"]
    sidecar["draft"]["reference_digest"] = digest
    expected = () if digest is None else (ReferenceRecord(digest, None),)
    read = read_sidecar(json.dumps(sidecar).encode())
    assert read == replace(generation, spec=replace(generation.spec, references=expected))


@settings(untimed, max_examples=1)
@given(generations)
def test_the_smallest_numbers_are_read_back(generation):
    """Each number is accepted down to its limit."""
    spec = replace(generation.spec, native_size=Size(1, 1), seed=0)
    smallest = replace(generation, spec=spec, byte_count=1)
    assert read_sidecar(written(smallest)) == smallest


@settings(untimed, max_examples=5)
@given(generations, json_values)
def test_a_sidecar_with_any_value_changed_is_read_or_skipped(generation, any_value):
    """Nothing is raised, and what is read can be written to a catalog."""
    for value in [any_value, *HOSTILE_VALUES]:
        for folder, name in PLACES:
            sidecar = json.loads(written(generation))
            (sidecar["draft"] if folder else sidecar)[name] = value
            check_read(json.dumps(sidecar).encode())


@untimed
@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"version": 1, "id": ' + b"9" * 5000 + b"}")
def test_a_sidecar_with_any_content_raises_nothing(raw):
    """A file that is not a sidecar is skipped."""
    check_read(raw)


def check_read(raw: bytes) -> None:
    """The values read have valid types and ranges for SQLite and the file system."""
    generation = read_sidecar(raw)
    if generation is None:
        return
    path, spec = Path(generation.object_path or ""), generation.spec
    assert path.name == generation.object_path
    assert path.suffix == ".png"
    assert generation.sha256 is not None
    assert min(*spec.native_size, generation.byte_count or 0) > 0
    assert 0 <= spec.seed < 2**63
    assert datetime.fromtimestamp(generation.created_at, UTC)
    assert spec.price_usd is None or 0 <= spec.price_usd < float("inf")
    assert read_sidecar(written(generation)) == generation
