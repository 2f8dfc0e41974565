"""Verify and rebuild of large stores: memory does not grow by more than a few bytes per image."""

import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from types import SimpleNamespace

import pytest
from tests.conformance.conftest import NATIVE, make_draft

from stills.contract.generation import (
    Generation,
    Inspection,
    Rendition,
    Stage,
    StoredObject,
)
from stills.maintenance.rebuild import rebuild
from stills.maintenance.verify import verify
from stills.pipeline.sidecar import SIDECAR_FOLDER, sidecar_path, write_sidecar

FEW, MANY = 2_000, 5_000
BYTES_PER_IMAGE = 150  # a million images then take less than 200 MB, with the program itself
PNG = b"the bytes of an image"
INSPECTION = Inspection(NATIVE, sha256(PNG).hexdigest(), len(PNG))


def generation_of(number: int) -> Generation:
    generation_id = f"{number:012x}"
    return Generation(
        generation_id,
        make_draft(f"key {number}"),
        Stage.KEPT,
        created_at=1e9 + number * 7919 % MANY,
        sha256=INSPECTION.sha256,
        byte_count=len(PNG),
        object_path=f"a-kite-{NATIVE.width}x{NATIVE.height}-seed7-{generation_id}.png",
    )


class LargeStore:
    """A store that makes up its objects when they are read."""

    def __init__(self, images: int) -> None:
        self._images = images

    async def pages(self, folder: str) -> AsyncGenerator[Sequence[str]]:
        for start in range(0, self._images, 1000):
            found = map(generation_of, range(start, min(start + 1000, self._images)))
            if folder == SIDECAR_FOLDER:
                yield [sidecar_path(one.id) for one in found]
            else:
                yield [one.object_path for one in found]

    async def get(self, path: str) -> bytes:
        if not path.startswith(SIDECAR_FOLDER):
            return PNG
        one = generation_of(int(path[-17:-5], 16))
        return write_sidecar(one, INSPECTION, path=one.object_path)


class LargeCatalog:
    """A catalog that makes up its rows when they are read; it remembers the order of adoption."""

    def __init__(self, images: int) -> None:
        self._images = images
        self._last = 0.0
        self.adopted = 0
        self.is_in_order = True

    async def list_objects(self, *, after: str | None = None) -> Sequence[StoredObject]:
        start = 0 if after is None else int(after, 16) + 1
        found = map(generation_of, range(start, min(start + 1000, self._images)))
        return [StoredObject(one.object_path, one.sha256, one.id, one.id) for one in found]

    async def find_unknown(self, _: Mapping[str, str]) -> Sequence[str]:
        return []

    async def adopt_many(
        self, images: Sequence[tuple[Generation, Sequence[Rendition]]]
    ) -> Sequence[bool]:
        for generation, _ in images:
            self.is_in_order = self.is_in_order and generation.created_at >= self._last
            self._last = generation.created_at
            self.adopted += 1
        return [True] * len(images)

    async def set_aside_if_damaged(self) -> None:
        return None


def make_ports(images: int) -> SimpleNamespace:
    async def nothing(*_: object) -> str:
        return ""

    async def inspect(_: bytes) -> Inspection:
        return INSPECTION

    return SimpleNamespace(
        store=LargeStore(images),
        spool=LargeStore(0),
        catalog=LargeCatalog(images),
        imaging=SimpleNamespace(inspect=inspect, check_pixels=nothing),
        marker=SimpleNamespace(accept=nothing, read_id=nothing),
    )


async def run_verify(images: int) -> None:
    assert (await verify(make_ports(images))).checked == images


async def run_rebuild(images: int) -> None:
    ports = make_ports(images)
    await rebuild(ports, lambda _: None)
    assert (ports.catalog.adopted, ports.catalog.is_in_order) == (images, True)


async def peak_of(work: Callable[[int], Awaitable[None]], images: int) -> int:
    tracemalloc.start()
    try:
        await work(images)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("work", [run_verify, run_rebuild])
async def test_memory_hardly_grows_with_the_number_of_images(work):
    """Rebuild holds a number for each image, to adopt them in order; verify holds nothing."""
    few, many = await peak_of(work, FEW), await peak_of(work, MANY)
    assert (many - few) / (MANY - FEW) < BYTES_PER_IMAGE
