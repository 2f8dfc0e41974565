"""The shots that a film skips, in words."""

from collections.abc import Sequence

from stills.cli.text import printable
from stills.review.film import Film

_NAMED = 10


def count_shots(number: int) -> str:
    """Return such as `1 shot` or `24 shots`."""
    return f"{number} shot" if number == 1 else f"{number} shots"


def list_skipped(film: Film) -> list[str]:
    """Return a line for each reason to skip shots."""
    lines = []
    for why, shot_ids in (
        ("they have no image", film.left_out),
        ("all their images are rejected", film.rejected),
    ):
        if shot_ids:
            lines.append(f"  skipped, because {why}: {len(shot_ids)} ({name_some(shot_ids)})")
    return lines


def name_some(names: Sequence[str]) -> str:
    """List the first names, ready to be printed."""
    named = ", ".join(map(printable, names[:_NAMED]))
    return f"{named} and others" if len(names) > _NAMED else named
