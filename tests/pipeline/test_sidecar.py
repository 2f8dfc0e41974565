"""Sidecars: what a person or another program finds in one."""

from pathlib import Path

from stills.app import Stills
from stills.contract.request import ImageRequest


async def test_a_sidecar_can_be_read_and_searched_as_text(stills: Stills, tmp_path: Path):
    """A Chinese prompt is in it as it was written, so that `grep` finds the image."""
    await stills.generate(ImageRequest(prompt="一只红色的风筝", size="512*512", seed=1))
    (sidecar,) = (tmp_path / "images" / "facts").iterdir()
    assert '"prompt": "一只红色的风筝"' in sidecar.read_text(encoding="utf-8")
