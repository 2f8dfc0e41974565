"""Verify: hash and decode every image in the store, and compare it with the catalog."""

from stills.contract.errors import DamagedImage, ImageMissing, StoreRefused
from stills.contract.generation import StoredObject
from stills.contract.upkeep import Finding, OnProgress, Verdict, Verified
from stills.maintenance.at_once import do_several
from stills.pipeline.integrity import matches_digest
from stills.pipeline.object_names import read_object_path
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import SIDECAR_FOLDER


async def verify(ports: Ports, on_progress: OnProgress = lambda _: None) -> Verified:
    """Read every object in the catalog, and find images in the store that it does not have.

    An unreadable object does not stop the others from being checked. Objects are listed in pages,
    because there may be millions.

    Raises:
        StorageError: the catalog or the store can't be used at all.
    """
    checked = 0

    async def check(stored: StoredObject) -> Finding | None:
        nonlocal checked
        finding = await _check(ports, stored)
        checked += 1
        on_progress(checked)
        return finding

    findings: list[Finding] = []
    after: str | None = None
    while page := await ports.catalog.list_objects(after=after):
        findings += filter(None, await do_several(check, page))
        after = page[-1].generation_id
    findings.sort(key=lambda finding: finding.path)
    return Verified(checked, (*findings, *await _find_unknown(ports)))


async def _find_unknown(ports: Ports) -> list[Finding]:
    unknown: list[str] = []
    async for paths in ports.store.pages(""):
        named = {path: name[0] for path in paths if (name := read_object_path(path))}
        unknown += await ports.catalog.find_unknown(named)
    return [Finding(Verdict.UNKNOWN, path, owner="") for path in sorted(unknown)]


async def _check(ports: Ports, stored: StoredObject) -> Finding | None:
    try:
        data = await ports.store.get(stored.path)
    except ImageMissing:
        return Finding(Verdict.MISSING, stored.path, stored.owner)
    except StoreRefused:
        await ports.store.exists(SIDECAR_FOLDER)  # raises if the whole store can't be used
        return Finding(Verdict.UNREADABLE, stored.path, stored.owner)
    if not await matches_digest(data, stored.sha256):
        return Finding(Verdict.DAMAGED, stored.path, stored.owner)
    try:
        await ports.imaging.check_pixels(data)
    except DamagedImage:  # an older version stored images without decoding them
        return Finding(Verdict.DAMAGED, stored.path, stored.owner)
    return None
