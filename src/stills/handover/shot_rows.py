"""What is handed over about each shot, in words and numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from stills.review.film import Film, Still


@dataclass(frozen=True, slots=True)
class ShotRow:
    """One shot. `start` is its first frame in the film.

    `pick` is `picked`, `own picture`, or empty if nobody decided. `prompt`, `seed` and `notes` are
    those of the take that is shown; an own picture has only the prompt of its shot. The prompt is
    as it was written, without what was added about references. `dialogue` is empty if nothing is
    said.
    """

    still: Still
    number: int
    start: int
    pick: str
    take: str
    prompt: str
    seed: int | None
    comments: tuple[str, ...]
    notes: tuple[str, ...]
    dialogue: str


def list_rows(film: Film) -> Iterator[ShotRow]:
    """List the shots of a film in order, numbered from 1."""
    start = 0
    for number, still in enumerate(film.stills, start=1):
        yield _row(still, number, start)
        start += still.frames


def _row(still: Still, number: int, start: int) -> ShotRow:
    picked = still.picked
    dialogue = picked.shot.dialogue or ""
    if picked.take is None:
        prompt = picked.shot.written_prompt
        return ShotRow(
            still, number, start, "own picture", "", prompt, None, picked.comments, (), dialogue
        )
    entry = picked.take.entry
    return ShotRow(
        still,
        number,
        start,
        pick="picked" if picked.is_picked else "",
        take=picked.take.label,
        prompt=entry.shot.written_prompt,
        seed=entry.result.seed if entry.result else None,
        comments=picked.comments,
        notes=entry.result.notes if entry.result else (),
        dialogue=dialogue,
    )
