"""Ready: problems with libraries and files are found before a call is paid for."""

import resource
from collections.abc import Callable

import pytest

from stills.contract.errors import Billing, LibraryFailed, StoreRefused
from stills.contract.request import ImageRequest
from stills.imaging import VipsImaging
from stills.sandbox import Sandbox
from stills.store import FolderStore

KITE = ImageRequest(prompt="a red kite", size="1024*1024", seed=1)


class Unloadable(VipsImaging):
    async def ready(self) -> None:
        raise ImportError("libvips.so.42: cannot open shared object file")


class Unopenable(FolderStore):
    async def ready(self) -> None:
        raise StoreRefused("obstore crashed")


async def test_a_library_that_can_t_be_loaded_costs_nothing(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """The error names it, and the next request tries again."""
    stills = await make_stills(imaging=Unloadable())
    with pytest.raises(LibraryFailed, match="nothing was sent: libvips") as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.NONE
    assert not sandbox.ledger.sends
    assert not (await (await make_stills()).generate(KITE)).cached


@pytest.mark.parametrize("part", ["store", "spool"])
async def test_a_store_or_spool_that_can_t_be_opened_costs_nothing(
    make_stills: Callable[..., object], sandbox: Sandbox, tmp_path, part
):
    """Both are opened before the call."""
    stills = await make_stills(**{part: Unopenable(tmp_path / part)})
    with pytest.raises(StoreRefused, match="obstore crashed"):
        await stills.generate(KITE)
    assert not sandbox.ledger.sends


async def test_too_few_files_cost_nothing(make_stills: Callable[..., object], sandbox: Sandbox):
    """A call is made only if the files needed after it can be opened."""
    stills = await make_stills()
    await stills.generate(KITE)
    sends = len(sandbox.ledger.sends)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (5, hard))  # fewer than are open
    try:
        with pytest.raises(LibraryFailed, match="Too many open files") as caught:
            await stills.generate(KITE, fresh=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit" in caught.value.action
    assert len(sandbox.ledger.sends) == sends
