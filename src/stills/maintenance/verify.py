"""Verify: hash and decode every image in the store, and compare it with the catalog."""

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
    """The problem with an object in the store."""

    MISSING = "missing"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """An object that differs from the catalog. `owner` is the id of its image, if it has one."""

    verdict: Verdict
    path: str
    owner: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The number of objects read, and the problems."""

    checked: int
    findings: tuple[Finding, ...]

    @property
    def has_losses(self) -> bool:
        """Whether any image is missing, damaged or unreadable."""
        return any(finding.verdict is not Verdict.UNKNOWN for finding in self.findings)


async def verify(ports: Ports) -> Verified:
    """Read every object in the catalog, and find images in the store that it does not have.

    An unreadable object does not stop the others from being checked.

    Raises:
        StorageError: the catalog or the store can't be used at all.
    """
    listed = await ports.store.paths("")
    at_once = asyncio.Semaphore(_AT_ONCE)
    objects = await ports.catalog.list_objects()

    async def check(stored: StoredObject) -> Finding | None:
        async with at_once:
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
        await ports.store.exists(SIDECAR_FOLDER)  # raises if the whole store can't be used
        return Finding(Verdict.UNREADABLE, stored.path, stored.owner)
    if not await matches_digest(data, stored.sha256):
        return Finding(Verdict.DAMAGED, stored.path, stored.owner)
    try:
        await ports.imaging.check_pixels(data)
    except DamagedImage:  # an older version stored images without decoding them
        return Finding(Verdict.DAMAGED, stored.path, stored.owner)
    return None
