"""What upkeep returns: the outcomes of recovering or rebuilding, and the findings of verifying."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Recovered:
    """The outcome for one generation: its id, whether it is stored now, and if not, why."""

    generation_id: str
    kept: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BatchFolder:
    """The output folder of a batch on a machine, as a file URL."""

    host: str
    url: str


@dataclass(frozen=True, slots=True)
class StoredGeneration:
    """A stored image by its generation: when it was made (Unix seconds), its bytes in all sizes."""

    id: str
    created_at: float
    byte_count: int


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


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was not imported, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """How many images were added, how many were here already, and what was skipped."""

    added: int
    known: int
    skipped: tuple[SkippedFile, ...]


OnOutcome = Callable[[Recovered], None]
"""Called with each outcome as it comes."""

OnProgress = Callable[[int], None]
"""Called with the number of images that are finished."""
