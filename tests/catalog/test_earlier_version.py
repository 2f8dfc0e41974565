"""A catalog and a store of an earlier version, read by this one."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stills.app import Stills
from stills.contract.errors import Billing
from stills.contract.request import ImageRequest
from stills.pipeline.object_names import object_path
from stills.sandbox import Sandbox

EARLIER = Path(__file__).with_name("earlier_version")
KITE, SMALL_KITE, DOOR = (
    "sandbox-a-red-kite-512x512-seed1-ffd6949e4579.png",
    "sandbox-a-red-kite-64x64-seed1-ffd6949e4579.png",
    "sandbox-a-blue-door-512x512-seed1269578657-002672a62c8f.png",
)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A copy of what the earlier version wrote."""
    return Path(shutil.copytree(EARLIER, tmp_path / "output"))


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def stills(output: Path, sandbox: Sandbox) -> AsyncIterator[Stills]:
    """The current code on that copy."""
    environment = {
        "STILLS_STORE": str(output / "images"),
        "STILLS_CATALOG": str(output / "stills.db"),
        "STILLS_SPOOL": str(output / "spool"),
        "STILLS_MODEL": "qwen-image-2.0",
        "DASHSCOPE_API_KEY": "sk-sandbox",
        "DASHSCOPE_HTTP_BASE_URL": sandbox.base_url,
    }
    async with Stills.from_env(environment=environment) as stills:
        yield stills


def read_files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


async def test_its_images_are_listed_and_shown(stills: Stills):
    """Every image is listed, and shown with its price and its API calls."""
    images = await stills.images.list()
    assert {image.rendition.object_path for image in images} == {KITE, SMALL_KITE, DOOR}
    details = await stills.images.show("ffd6949e4579-64")
    spec = details.image.generation.spec
    assert (spec.prompt, spec.seed, spec.price_usd) == ("a red kite", 1, 0.075)
    assert details.image_url.endswith(f"/images/{SMALL_KITE}")
    assert [send.billing for send in details.sends] == [Billing.BILLED]


async def test_its_store_is_intact(stills: Stills):
    """Verifying finds every image undamaged."""
    verified = await stills.images.verify()
    assert (verified.checked, list(verified.findings)) == (3, [])


async def test_its_spending_is_added_up(stills: Stills):
    """Two calls were billed, one answer came from the catalog, the refused call was free."""
    (line,) = await stills.spend()
    assert (line.provider, line.billed, line.billed_usd) == ("sandbox", 2, 0.15)
    assert (line.possible, line.saved, line.saved_usd, line.unpriced) == (0, 1, 0.075, 0)


@pytest.mark.parametrize(
    ("prompt", "size", "seed", "path"),
    [
        ("a red kite", "512*512", 1, KITE),
        ("a red kite", "64*64", 1, SMALL_KITE),
        ("a blue door", "512*512", None, DOOR),
        ("a blue door", "512*512", 1269578657, DOOR),
        ("a red kite", "96*96", 1, "sandbox-a-red-kite-96x96-seed1-ffd6949e4579.png"),
    ],
)
async def test_a_repeated_request_is_answered_without_a_call(
    stills: Stills, sandbox: Sandbox, prompt: str, size: str, seed: int | None, path: str
):
    """A request that the earlier version answered is answered from the catalog, in any size."""
    result = await stills.generate(ImageRequest(prompt=prompt, size=size, seed=seed))
    assert (result.cached, result.cost_usd) == (True, 0.0)
    assert result.image_url.endswith(f"/images/{path}")
    assert sandbox.ledger.sends == ()


async def test_a_request_that_failed_can_be_retried(stills: Stills, sandbox: Sandbox):
    """A request that the earlier version could not answer is sent again."""
    result = await stills.generate(ImageRequest(prompt="a grey fog", size="512*512", seed=2))
    assert not result.cached
    assert len(sandbox.ledger.generations) == 1


async def test_its_files_stay_as_they_are(output: Path, stills: Stills):
    """Using the store renames and changes no file, and names still follow the same rule."""
    before = read_files(EARLIER / "images")
    for image in await stills.images.list():
        generation, rendition = image.generation, image.rendition
        named = object_path(generation.spec, generation.id, rendition.size)
        assert named == rendition.object_path
        await stills.generate(
            ImageRequest(
                prompt=generation.spec.prompt, size=str(rendition.size), seed=generation.spec.seed
            )
        )
    await stills.images.verify()
    await stills.maintenance.recover()
    after = read_files(output / "images")
    assert {name: after.get(name) for name in before} == before
