"""Images of another size than the one ordered: they are paid for, so they are delivered."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import pyvips
from tests.support.recovery import refusing

from stills.contract.errors import Billing, StoreRefused
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.provider.credentials import Credentials, ProviderKey
from stills.sandbox import Fault, FaultKind, Sandbox, SandboxSettings

KITE = ImageRequest(prompt="a red kite over a harbour", size="1920*1080", seed=7)
NOTE = "The service made 2048*2048 instead of 1920*1088."
REFERENCE: bytes = pyvips.Image.black(400, 400).pngsave_buffer()


def dimensions(result: ImageResult) -> tuple[int, int]:
    path = Path(unquote(urlsplit(result.image_url).path))
    image = pyvips.Image.new_from_file(str(path))
    return image.width, image.height


def on(sandbox: Sandbox) -> Credentials:
    return Credentials(ProviderKey("sk-sandbox"), sandbox.base_url)


@pytest.fixture
async def square_sandbox():
    """A service that makes every image with references 2048*2048."""
    async with Sandbox(SandboxSettings(ignores_size_with_references=True)) as running:
        yield running


@pytest.fixture
async def square_stills(make_stills: Callable[..., object], square_sandbox: Sandbox):
    return await make_stills(credentials=on(square_sandbox))


async def test_a_size_that_the_service_would_round_is_delivered(make_stills):
    """1920*1080 is ordered as 1920*1088 and cropped, so the service has nothing to round."""
    async with Sandbox(SandboxSettings(rounds_sizes=True)) as rounding:
        stills = await make_stills(credentials=on(rounding))
        result = await stills.generate(KITE, model="qwen-image-2.0")
        assert (result.width, result.height, result.native_size) == (1920, 1080, "1920*1088")
        assert dimensions(result) == (1920, 1080)
        assert result.notes == ("Cropped and scaled from 1920*1088.",)
        assert [send.size for send in rounding.ledger.generations] == ["1920*1088"]


async def test_an_image_of_another_size_is_cropped_and_scaled(square_stills, square_sandbox):
    """3.0 with references may make 2048*2048 whatever is ordered: a note says so."""
    wanted = replace(KITE, reference_image=REFERENCE)
    first = await square_stills.generate(wanted, model="qwen-image-3.0")
    assert dimensions(first) == (first.width, first.height) == (1920, 1080)
    assert first.native_size == "2048*2048"
    assert first.notes == (NOTE, "Cropped and scaled from 2048*2048.")
    again = await square_stills.generate(wanted, model="qwen-image-3.0")
    assert again == replace(first, cached=True, cost_usd=0.0)
    assert square_sandbox.ledger.billed_images == 1


async def test_the_size_that_was_made_is_what_later_steps_use(square_stills):
    """Other renditions, details and checks go by the real image, not by the order."""
    wanted = replace(KITE, reference_image=REFERENCE)
    first = await square_stills.generate(wanted, model="qwen-image-3.0")
    shown = await square_stills.images.show(first.id)
    assert str(shown.image.generation.spec.native_size) == "2048*2048"
    assert shown.image.generation.notes == (NOTE,)
    ordered = await square_stills.generate(replace(wanted, size="1920*1088"), model=first.model)
    assert (dimensions(ordered), ordered.cost_usd) == ((1920, 1088), 0.0)
    assert not (await square_stills.images.verify()).has_losses


async def test_an_image_at_the_size_that_was_made_is_the_services_own(
    make_stills, sandbox: Sandbox
):
    """The native rendition is the image as it came."""
    sandbox.set_faults(Fault(FaultKind.WRONG_SIZE_PNG, times=None))
    stills = await make_stills()
    first = await stills.generate(replace(KITE, size="1328*1328"))
    assert first.native_size == "664*664"
    assert first.notes[:2] == (
        "The service made 664*664 instead of 1328*1328.",
        "Scaled up from 664*664.",
    )
    small = await stills.generate(replace(KITE, size="664*664"))
    assert (dimensions(small), small.cost_usd) == ((664, 664), 0.0)
    assert small.notes == ("The service made 664*664 instead of 1328*1328.",)
    assert sandbox.ledger.billed_images == 1


async def test_a_rebuilt_catalog_knows_the_size_that_was_made(
    make_stills, square_stills, square_sandbox: Sandbox, tmp_path: Path
):
    """It is in the sidecar, with the note."""
    wanted = replace(KITE, reference_image=REFERENCE)
    first = await square_stills.generate(wanted, model="qwen-image-3.0")
    await square_stills.close()
    for file in tmp_path.glob("stills.db*"):
        file.unlink()
    stills = await make_stills(credentials=on(square_sandbox))
    await stills.maintenance.rebuild()
    again = await stills.generate(wanted, model="qwen-image-3.0")
    assert again == replace(first, cached=True, cost_usd=0.0)
    assert square_sandbox.ledger.billed_images == 1


async def test_a_spooled_image_keeps_the_size_that_was_made(
    make_stills, square_sandbox: Sandbox, tmp_path: Path
):
    """The store refuses it; a retry stores it free of charge, with one note."""
    wanted = replace(KITE, reference_image=REFERENCE)
    broken = await make_stills(credentials=on(square_sandbox), store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused) as caught:
        await broken.generate(wanted, model="qwen-image-3.0")
    assert caught.value.billing is Billing.BILLED
    stills = await make_stills(credentials=on(square_sandbox))
    result = await stills.generate(wanted, model="qwen-image-3.0")
    assert (dimensions(result), result.native_size) == ((1920, 1080), "2048*2048")
    assert result.notes == (NOTE, "Cropped and scaled from 2048*2048.")
    assert square_sandbox.ledger.billed_images == 1


async def test_an_adopted_image_has_the_size_that_was_made(
    make_stills, square_stills, square_sandbox: Sandbox, tmp_path: Path
):
    """The image was stored, but the catalog failed before it recorded the size."""
    wanted = replace(KITE, reference_image=REFERENCE)
    first = await square_stills.generate(wanted, model="qwen-image-3.0")
    await square_stills.close()
    forget = (
        "UPDATE generations SET stage = 'sent', native_width = 1920, native_height = 1088, "
        "notes = '[]', sha256 = NULL, byte_count = NULL, object_path = NULL"
    )
    with closing(sqlite3.connect(tmp_path / "stills.db", isolation_level=None)) as connection:
        connection.execute(forget)
    stills = await make_stills(credentials=on(square_sandbox))
    again = await stills.generate(wanted, model="qwen-image-3.0")
    assert (again.id, again.native_size) == (first.id, "2048*2048")
    assert again.notes[:2] == first.notes
    assert square_sandbox.ledger.billed_images == 1
