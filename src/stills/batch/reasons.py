"""Why a run generates a shot: what is different from the manifest in the output folder."""

from dataclasses import dataclass, fields

from stills.batch.manifest_entry import ManifestEntry, Status
from stills.contract.request import ImageRequest
from stills.shotlist.shots import Shot

NEW = "new"
FRESH = "asked for with --fresh"
FAILED = "failed before"
PENDING = "not reached before"
REFERENCE_CHANGED = "reference changed"
MODEL_CHANGED = "model changed"
NOT_STORED = "not stored"
DELETED = "deleted, so it is billed again"
RETAKE = "asked for in the review"


@dataclass(frozen=True, slots=True)
class PlannedShot:
    """A shot that a run would generate, the reason, and its price; None if that is unknown."""

    id: str
    reason: str
    cost_usd: float | None


def find_reason(shot: Shot, earlier: ManifestEntry | None, *, model_id: str) -> str:
    """Find out why a shot is generated, from its entry in the manifest of an earlier run."""
    if earlier is None:
        return RETAKE if shot.is_retake else NEW
    if earlier.status is not Status.DONE or earlier.result is None:
        return FAILED if earlier.status is Status.FAILED else PENDING
    changed = _find_changed(earlier.shot.request, shot.request)
    if changed is not None:
        return f"{changed} changed"
    if earlier.result.model != model_id:
        return MODEL_CHANGED
    # The catalog compares references by content: a file or a shot's image may have changed.
    return REFERENCE_CHANGED if shot.references or earlier.shot.references else NOT_STORED


def _find_changed(earlier: ImageRequest, request: ImageRequest) -> str | None:
    """Return the first field that differs, such as `prompt`; references are not in requests yet."""
    for field in fields(ImageRequest):
        if getattr(earlier, field.name) != getattr(request, field.name):
            return field.name.replace("_", " ")
    return None
