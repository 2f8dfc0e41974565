"""Stored files that are lost or damaged: nothing is paid for again."""

from dataclasses import replace

import pytest
from tests.support.stored_file import dimensions, file_of

from stills.app import Stills
from stills.contract.errors import (
    ImageMissing,
)
from stills.contract.request import ImageRequest
from stills.sandbox import Sandbox

KITE = ImageRequest(prompt="a red kite over a harbour", size="1024*1024", seed=1234)


async def test_a_lost_file_is_not_paid_for_again(stills: Stills, sandbox: Sandbox):
    """A lost rendition is rendered again; a lost generation is an error that says what to do."""
    result = await stills.generate(KITE)
    file_of(result).unlink()
    again = await stills.generate(KITE)
    assert dimensions(file_of(again)) == (1024, 1024)

    native = await stills.generate(replace(KITE, size="1328*1328"))
    file_of(native).unlink()
    with pytest.raises(ImageMissing, match="is not in"):
        await stills.generate(replace(KITE, size="1328*1328"))
    with pytest.raises(ImageMissing):
        await stills.generate(replace(KITE, size="640*640"))
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize("left_bytes", [0, 5000])
async def test_a_truncated_rendition_is_rendered_again(
    stills: Stills, sandbox: Sandbox, left_bytes: int
):
    """By single requests and batches; the image is intact, and nothing is sent."""
    path = file_of(await stills.generate(KITE))
    whole = path.read_bytes()
    path.write_bytes(whole[:left_bytes])
    assert (await stills.generate(KITE)).cached
    assert path.read_bytes() == whole
    path.write_bytes(whole[:left_bytes])
    (outcome,) = [each async for each in stills.generate_many([KITE])]
    assert outcome.result is not None
    assert path.read_bytes() == whole
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize("left_bytes", [0, 5000])
async def test_a_damaged_generation_is_an_error_of_storage_that_promises_no_download(
    stills: Stills, sandbox: Sandbox, left_bytes: int
):
    """Its link is gone; once restored, all sizes work again."""
    native = replace(KITE, size="1328*1328")
    path = file_of(await stills.generate(native))
    whole = path.read_bytes()
    path.write_bytes(whole[:left_bytes])
    for request in (native, KITE):
        with pytest.raises(ImageMissing, match="is damaged") as caught:
            await stills.generate(request)
        assert caught.value.action.startswith("Restore a good copy, or use --fresh")
    path.write_bytes(whole)
    assert (await stills.generate(KITE)).cached
    assert sandbox.ledger.billed_images == 1
