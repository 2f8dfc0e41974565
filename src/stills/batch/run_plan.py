"""What a run works through: a checked shot list, or the takes that a review asks for."""

from collections.abc import Iterator, Sequence
from typing import Protocol, Self

from stills.batch.image_files import ImageNames
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.preflight import BatchOptions
from stills.shotlist.shots import Problem, Shot


class RunPlan(Protocol):
    """The shots of a run, and the problems of those that can't be generated.

    `needed` are the ids of shots that others need, and `left_out` those that can't be generated.
    `names` are the names of the image files.
    """

    @property
    def title(self) -> str:
        """The title of the page."""
        ...

    @property
    def options(self) -> BatchOptions:
        """How to generate."""
        ...

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with shots."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        ...

    @property
    def needed(self) -> frozenset[str]:
        """The ids of shots that others need."""
        ...

    @property
    def left_out(self) -> frozenset[str]:
        """The ids of shots that can't be generated."""
        ...

    @property
    def names(self) -> ImageNames:
        """The names of the image files."""
        ...

    def with_problems(self, problems: Sequence[Problem]) -> Self:
        """Return this plan without the shots of more problems."""
        ...

    def kept(self) -> Iterator[tuple[int, ManifestEntry]]:
        """Yield the entries that stay in the manifest as they are, with their positions.

        Raises:
            InvalidRequest: they are no longer those of the plan.
        """
        ...

    def shots(self) -> Iterator[tuple[int, Shot]]:
        """Yield each shot with its position in the manifest."""
        ...

    def find_previous(self, shot: Shot) -> ManifestEntry | None:
        """Return the entry of a shot that is done already; None if it is to be generated."""
        ...
