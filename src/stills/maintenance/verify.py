"""Verify: hash and decode every image of the store that the catalog knows."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from stills.contract.errors import DamagedImage, ImageMissing, StoreRefused
from stills.contract.generation import StoredObject
from stills.pipeline.integrity import matches_digest
from stills.pipeline.object_names import read_object_path
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import SIDECAR_FOLDER

_AT_ONCE = 8


class Verdict(StrEnum):
    """What is wrong with an object of the store."""

    MISSING = "missing"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not as the catalog says. `owner` is the image's id, if it has one."""

    verdict: Verdict
    path: str
    owner: str


@dataclass(frozen=True, slots=True)
class Verified:
    """How many objects were read, and what is wrong."""

    checked: int
    findings: tuple[Finding, ...]

    @property
    def has_losses(self) -> bool:
        """Whether anything is missing, damaged or unreadable."""
        return any(finding.verdict is not Verdict.UNKNOWN for finding in self.findings)


async def verify(ports: Ports) -> Verified:
    """Read every object that the catalog knows, and look for images that it does not know.

    One that can't be read does not keep the others from being checked.

    Raises:
        StorageError: catalog or store can't be used at all.
    """
    listed = await ports.store.paths("")
    gate = asyncio.Semaphore(_AT_ONCE)
    objects = await ports.catalog.list_objects()

    async def check(stored: StoredObject) -> Finding | None:
        async with gate:
            return await _check(ports, stored)

    findings = [finding for finding in await asyncio.gather(*map(check, objects)) if finding]
    known = {stored.path for stored in objects}
    findings += [
        Finding(Verdict.UNKNOWN, path, owner="")
        for path in listed
        if path not in known and read_object_path(path) is not None
    ]
    return Verified(len(objects), tuple(findings))


async def _check(ports: Ports, stored: StoredObject) -> Finding | None:
    try:
        data = await ports.store.get(stored.path)
    except ImageMissing:
        return Finding(Verdict.MISSING, stored.path, stored.owner)
    except StoreRefused:
        await ports.store.exists(SIDECAR_FOLDER)  # raises if it is the store that can't be used
        return Finding(Verdict.UNREADABLE, stored.path, stored.owner)
    if not await matches_digest(data, stored.sha256):
        return Finding(Verdict.DAMAGED, stored.path, stored.owner)
    try:
        await ports.imaging.check_pixels(data)
    except DamagedImage:  # an older version stored images without decoding them
        return Finding(Verdict.DAMAGED, stored.path, stored.owner)
    return None
