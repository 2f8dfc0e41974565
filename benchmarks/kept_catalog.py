"""A catalog of 10,000 stored images, for benchmarks of its answers."""

import time
from pathlib import Path

from stills import ImageRequest
from stills.catalog import SqliteCatalog
from stills.contract.generation import Generation, Rendition, Stage
from stills.contract.models import DEFAULT_MODEL, find_model
from stills.pipeline.plan import make_plan

KEPT = 10_000
SIZE = "1328*1328"


def request(number: int) -> ImageRequest:
    return ImageRequest(prompt=f"a red kite, picture {number}", size=SIZE, seed=number)


async def fill(output: Path) -> None:
    """Add KEPT images to the catalog, and write a file of zeros for each."""
    (output / "images").mkdir(parents=True)
    catalog = SqliteCatalog(output / "stills.db")
    for number in range(KEPT):
        wanted, model = request(number), find_model(DEFAULT_MODEL)
        spec = make_plan(wanted, model, provider="dashscope").spec
        identifier, digest, path = f"{number:012x}", f"{number:064x}", f"picture-{number}.png"
        generation = Generation(
            id=identifier,
            spec=spec,
            stage=Stage.KEPT,
            created_at=time.time(),
            sha256=digest,
            byte_count=2_000_000,
            object_path=path,
        )
        rendition = Rendition(identifier, wanted.output_size, digest, 2_000_000, path)
        await catalog.adopt(generation, [rendition])
        with (output / "images" / path).open("wb") as file:
            file.truncate(2_000_000)
    await catalog.close()
