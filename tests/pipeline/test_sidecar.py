"""Sidecars: what a person or another program finds in one, and which are not valid."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stills.app import Stills
from stills.contract.generation import (
    Generation,
    GenerationSpec,
    Inspection,
    ReferenceRecord,
    Stage,
)
from stills.contract.money import PRICE_MAX_USD
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.pipeline.sidecar import read_sidecar, read_store_id, write_sidecar

SIZE = Size(1328, 1328)
SPEC = GenerationSpec(
    key="k",
    seeded_key="s",
    provider="dashscope",
    model="qwen-image-max",
    prompt="a red kite",
    style="ink",
    text="a red kite, ink",
    negative_prompt="fog",
    native_size=SIZE,
    seed=1,
    references=(ReferenceRecord("cd" * 32, "anna.png"), ReferenceRecord("ef" * 32, None)),
    price_usd=0.075,
    prompt_extend=False,
    prompt_extend_mode="agent",
    enable_thinking=False,
)
PATH = "kite-0123456789ab.png"
KEPT = Generation(
    "0123456789ab", SPEC, Stage.KEPT, 1.5, ("a note",),
    sha256="ab" * 32, byte_count=9, object_path=PATH,
)  # fmt: skip


def sidecar(**changed: Any) -> bytes:
    """Return a sidecar in which some fields are changed, those of the draft by their own names."""
    written = json.loads(write_sidecar(KEPT, Inspection(SIZE, "ab" * 32, 9), path=PATH))
    for name, value in changed.items():
        (written["draft"] if name in written["draft"] else written)[name] = value
    return json.dumps(written).encode()


async def test_a_sidecar_can_be_read_and_searched_as_text(stills: Stills, tmp_path: Path):
    """A Chinese prompt is in it as it was written, so that `grep` finds the image."""
    await stills.generate(ImageRequest(prompt="一只红色的风筝", size="512*512", seed=1))
    (sidecar,) = (tmp_path / "images" / "facts").iterdir()
    assert '"prompt": "一只红色的风筝"' in sidecar.read_text(encoding="utf-8")


def test_a_sidecar_gives_its_generation_back():
    """With every detail, so that a rebuilt catalog answers the same requests."""
    assert read_sidecar(sidecar()) == KEPT


@pytest.mark.parametrize(
    "edge",
    [
        {"seed": 0}, {"created_at": 0}, {"byte_count": 1}, {"native_size": [1, 1]},
        {"price_usd": None}, {"price_usd": 0}, {"price_usd": PRICE_MAX_USD}, {"style": None},
        {"enable_thinking": None}, {"notes": []}, {"references": []},
    ],
    ids=str,
)  # fmt: skip
def test_the_least_and_the_most_are_valid(edge: dict[str, object]):
    """A paid image must not be rejected for them."""
    assert read_sidecar(sidecar(**edge)) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2}, {"id": "ffffffffffff"}, {"path": "facts/x-0123456789ab.png"},
        {"path": "0123456789ab.jpg"}, {"created_at": -1}, {"created_at": 1e300}, {"notes": [5]},
        {"sha256": None}, {"byte_count": 0}, {"byte_count": 1.5}, {"byte_count": True},
        {"byte_count": 10**12}, {"prompt": 5}, {"prompt": "half \ud800"}, {"style": 5},
        {"native_size": [0, 1]}, {"native_size": [1, 0]}, {"native_size": [1]}, {"seed": -1},
        {"price_usd": -0.01}, {"price_usd": 2 * PRICE_MAX_USD}, {"prompt_extend": 1},
        {"prompt_extend_mode": 1}, {"enable_thinking": 0}, {"references": [{"digest": "a"}]},
        {"references": [{"digest": None, "shown": None}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_sidecar_with_a_wrong_value_is_not_valid(wrong: dict[str, object]):
    """Someone may have written it, and the catalog could not hold it."""
    assert read_sidecar(sidecar(**wrong)) is None


def edit(change: Callable[[dict[str, Any]], None]) -> bytes:
    written = json.loads(sidecar())
    change(written["draft"])
    return json.dumps(written).encode()


def test_a_sidecar_of_an_older_version_is_valid():
    """It had one reference at most, and none of the later settings."""

    def age(draft: dict[str, Any]) -> None:
        for name in ("references", "prompt_extend", "prompt_extend_mode", "enable_thinking"):
            del draft[name]
        draft["reference_digest"] = "cd" * 32

    read = read_sidecar(edit(age))
    assert read is not None
    assert read.spec.references == (ReferenceRecord("cd" * 32, None),)
    assert (read.spec.prompt_extend, read.spec.enable_thinking) == (True, None)
    without = read_sidecar(edit(lambda draft: (age(draft), draft.update(reference_digest=None))))
    assert without is not None
    assert without.spec.references == ()


def test_the_store_of_a_sidecar_is_a_text_or_none():
    """Only an image in a spool names its store."""
    named = write_sidecar(KEPT, Inspection(SIZE, "ab" * 32, 9), path=PATH, store_id="here")
    assert [read_store_id(one) for one in (named, sidecar(), sidecar(store=5))] == [
        "here", None, None,
    ]  # fmt: skip
