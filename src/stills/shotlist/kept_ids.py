"""Rows without ids under the ids that they had in an earlier run, instead of those by position."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stills.contract.models import SEED_MAX
from stills.shotlist.shot_builder import split_default_id, take_id
from stills.shotlist.shots import Problem, Shot


@dataclass(frozen=True, slots=True)
class KeptId:
    """The id of a row, and the seed that goes with it; None if the row has its own."""

    id: str
    seed: int | None


class KeptIds:
    """The ids of all rows that have none, by the ids of their positions; empty ones change nothing.

    Where a row names another one, such an id still means a position, as in every other folder.
    """

    def __init__(self, kept: Mapping[str, KeptId] | None = None) -> None:
        self._kept = kept or {}

    def apply(self, item: Shot | Problem) -> Shot | Problem:
        """Return a shot or problem under the id of its row."""
        if not self._kept:
            return item
        if isinstance(item, Problem):
            return replace(item, shot_id=item.shot_id and self._rename(item.shot_id))
        shot = replace(
            item,
            references=tuple(
                replace(one, shot=one.shot and self._rename(one.shot)) for one in item.references
            ),
        )
        kept = self._kept.get(item.first_take)
        if kept is None:
            return shot
        take_of = None if item.take_of is None else kept.id
        shot = replace(shot, id=take_id(kept.id, item.take), take_of=take_of)
        if kept.seed is None:
            return shot
        seed = (kept.seed + item.take - 1) % (SEED_MAX + 1)
        return replace(shot, request=replace(shot.request, seed=seed))

    def _rename(self, shot_id: str) -> str:
        """Return the kept id for the id of a position, or that of one of its takes."""
        row_id, take = split_default_id(shot_id) or (shot_id, "")
        kept = self._kept.get(row_id)
        return shot_id if kept is None else f"{kept.id}{take}"
