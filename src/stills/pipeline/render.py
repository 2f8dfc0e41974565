"""Render: crop and scale a stored generation to exactly the size asked for."""

from dataclasses import replace

from stills.contract.errors import DamagedImage, ImageMissing
from stills.contract.generation import Generation, Rendition
from stills.contract.pixel_budget import PixelBudget
from stills.contract.size import Size
from stills.pipeline.context import Job, known
from stills.pipeline.integrity import read_verified
from stills.pipeline.object_names import object_path
from stills.pipeline.ports import Ports
from stills.pipeline.single_flight import SingleFlight


async def render(job: Job) -> Job:
    """Find the rendition in the store, or make it; at native size it is the generation itself.

    Raises:
        ImageMissing: the generation is missing from the store, or damaged.
        StoreRefused: the store can't be used; the generation stays as it is.
    """
    generation, size = known(job.generation), known(job.plan).size
    is_native = size == generation.spec.native_size
    rendition = native_rendition(generation) if is_native else job.rendition
    if rendition is None or rendition.size != size:
        return replace(job, rendition=await job.render(generation, size))
    was_just_stored = is_native and job.sent is not None
    path, byte_count = rendition.object_path, rendition.byte_count
    if not was_just_stored and not await job.ports.store.exists(path, byte_count=byte_count):
        if is_native:
            await read_native(job.ports, generation)  # raises what is wrong
        else:
            rendition = await job.render(generation, size)
    return replace(job, rendition=rendition)


class Renderer:
    """Renders a generation to a size once, however many requests wait for it."""

    def __init__(self, ports: Ports, pixels: PixelBudget) -> None:
        self._ports = ports
        self._calls: SingleFlight[tuple[str, Size], Rendition] = SingleFlight()
        self._pixels = pixels

    def __len__(self) -> int:
        """Return how many renditions are in progress."""
        return len(self._calls)

    async def render(self, generation: Generation, size: Size) -> Rendition:
        """Crop and scale a generation, and store the rendition.

        Raises:
            ImageMissing: the generation is missing from the store, damaged or can't be decoded.
            WrongStore: the store is not the catalog's, or its disk is not mounted.
            StoreRefused: the rendition can't be written; the generation stays as it is.
        """
        rendition, _ = await self._calls.join(
            (generation.id, size), lambda: self._render(generation, size)
        )
        return rendition

    async def fit(self, generation: Generation, size: Size) -> bytes:
        """Crop and scale a generation, without storing the rendition.

        Raises:
            ImageMissing: the generation is missing from the store, damaged or can't be decoded.
            StoreRefused: the store can't be read.
        """
        async with self._pixels.hold(max(size.pixels, generation.spec.native_size.pixels)):
            return await _fit(self._ports, generation, size)

    async def drain(self) -> None:
        """Wait until all renditions are done."""
        await self._calls.drain()

    async def close(self) -> None:
        """Cancel all renditions."""
        await self._calls.close()

    async def _render(self, generation: Generation, size: Size) -> Rendition:
        async with self._pixels.hold(max(size.pixels, generation.spec.native_size.pixels)):
            return await _fit_and_store(self._ports, generation, size)


async def read_native(ports: Ports, generation: Generation) -> bytes:
    """Read a generation at its native size.

    Raises:
        ImageMissing: it is missing from the store, or damaged.
        StoreRefused: the store can't be read.
    """
    rendition = native_rendition(generation)
    return await read_verified(ports.store, rendition.object_path, rendition.sha256)


def native_rendition(generation: Generation) -> Rendition:
    """Return the rendition at native size.

    Raises:
        ImageMissing: the generation was never stored.
    """
    path, digest, byte_count = generation.object_path, generation.sha256, generation.byte_count
    if path is None or digest is None or byte_count is None:
        raise ImageMissing(f"generation {generation.id} has no image in the store")
    return Rendition(generation.id, generation.spec.native_size, digest, byte_count, path)


async def _fit_and_store(ports: Ports, generation: Generation, size: Size) -> Rendition:
    path = object_path(generation.spec, generation.id, size)
    data = await _fit(ports, generation, size)
    inspection = await ports.imaging.inspect(data)
    await ports.marker.check()
    await ports.store.put(path, data)
    return Rendition(generation.id, size, inspection.sha256, inspection.byte_count, path)


async def _fit(ports: Ports, generation: Generation, size: Size) -> bytes:
    native = await read_native(ports, generation)
    try:
        return await ports.imaging.fit(native, size)
    except DamagedImage as error:  # an older version stored images without decoding them
        raise ImageMissing(
            f"{ports.store.url(native_rendition(generation).object_path)} is a {error.message}",
            action="Use --fresh to pay for a new one.",
        ) from error
