"""Deleting stored images."""

from pathlib import Path

import pytest
from tests.support.recovery import KITE, Make, kept_free

from stills.app import Stills
from stills.contract.errors import WrongStore
from stills.sandbox import Sandbox


@pytest.mark.parametrize("is_new_process", [False, True])
async def test_nothing_is_deleted_while_the_disk_of_the_store_is_not_mounted(
    stills: Stills, make_stills: Make, sandbox: Sandbox, tmp_path: Path, *, is_new_process: bool
) -> None:
    """Its mount point is an empty folder, in which every file would count as deleted."""
    image = (await stills.images.show((await stills.generate(KITE)).id)).image
    deleting = await make_stills() if is_new_process else stills
    store = tmp_path / "images"
    mounted = store.rename(tmp_path / "mounted")
    store.mkdir()
    with pytest.raises(WrongStore):
        await deleting.images.delete(image)
    with pytest.raises(WrongStore):
        await deleting.images.delete_many([image.generation.id])
    store.rmdir()
    mounted.rename(store)
    await kept_free(stills, sandbox)
