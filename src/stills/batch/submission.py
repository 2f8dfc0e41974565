"""Submit a checked shot list as a durable job, and read its results as manifest entries."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from stills.batch.manifest_entry import ManifestEntry, Status
from stills.batch.run_plan import RunPlan
from stills.contract.encoded_image import is_base64_image, is_data_url
from stills.contract.errors import InvalidReference
from stills.contract.file_url import file_path, is_local_file_url
from stills.contract.image_address import read_image_address
from stills.contract.jobs import JobResult, JobShot, NeededShot
from stills.contract.request import REQUEST_FIELDS
from stills.shotlist.dependencies import Dependencies
from stills.shotlist.shots import Outcome, Shot

_FILES_CACHED = 16
_OF_REQUEST = ("id", "status", "request")

ReadFile = Callable[[Path], bytes]


def queued_shots(plan: RunPlan) -> Iterator[JobShot]:
    """Yield the shots of a plan, each after those it needs. Blocks.

    Local references are read, because workers may be on other machines.

    Raises:
        InvalidReference: a file can't be read.
    """
    read_file = lru_cache(_FILES_CACHED)(_read_file)
    dependencies = Dependencies(plan.needed, left_out=plan.left_out)
    positions: dict[str, int] = {}
    for position, shot in plan.shots():
        positions[shot.id] = position
        ready = deque(dependencies.add(shot).ready)
        while ready:
            one = ready.popleft()
            is_needed = one.id in plan.needed
            yield _queued(one, positions.pop(one.id), read_file, is_needed=is_needed)
            ready.extend(dependencies.done(one.id).ready)


def read_position(result: JobResult) -> int:
    """Return the position of a shot in its manifest."""
    position: int = result.shot.about.get("position", result.position)
    return position


def read_entry(result: JobResult, file: str | None = None) -> ManifestEntry:
    """Return the manifest's entry of a job's shot; `file` is its image in the manifest's folder."""
    request = {name: getattr(result.shot.request, name) for name in REQUEST_FIELDS}
    line = {
        "id": result.shot.id,
        "status": Status.PENDING,
        "request": {name: value for name, value in request.items() if value not in (None, ())},
        **result.shot.about.get("entry", {}),
    }
    entry = ManifestEntry.from_json(json.dumps(line).encode())
    return replace(entry, result=result.result, failure=result.failure, file=file)


def _queued(shot: Shot, position: int, read_file: ReadFile, *, is_needed: bool) -> JobShot:
    entry = ManifestEntry.of(Outcome(shot)).as_object()
    about = {name: value for name, value in entry.items() if name not in _OF_REQUEST}
    return JobShot(
        id=shot.id,
        request=shot.request,
        references=tuple(
            NeededShot(one.shot) if one.shot is not None else _portable(one.image or b"", read_file)
            for one in shot.references
        ),
        is_needed=is_needed,
        take_of=shot.takes_name,
        about={"position": position, "entry": about},
    )


def _portable(image: str | bytes, read_file: ReadFile) -> str | bytes:
    """Return a reference that any machine can read."""
    if isinstance(image, bytes) or is_data_url(image.strip()):
        return image
    written = image.strip()
    address = read_image_address(written)
    if address is not None:
        return address
    if is_local_file_url(written):
        return read_file(file_path(written))
    if "://" in written[:12] or (is_base64_image(written) and not _exists(image)):
        return written
    return read_file(Path(image).expanduser())


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _read_file(path: Path) -> bytes:
    try:
        if not path.exists():  # its name may be UTF-8 in another locale
            path = Path(os.fsdecode(str(path).encode("utf-8", "surrogateescape")))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidReference(
            f"reference_image {path.name!r} can't be read: "
            f"{getattr(error, 'strerror', None) or type(error).__name__}",
            field="reference_image",
        ) from None
