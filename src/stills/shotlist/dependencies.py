"""The order of shots: what is needed is drawn before what needs it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from stills.shotlist.shots import Shot

CYCLE_MAX = 20
"""How many shots of a circle are named; a longer one is cut off."""


def find_cycles(needs: Mapping[str, Collection[str]]) -> Iterator[list[str]]:
    """Find shots that need each other in a circle, each needing the next; the first comes twice.

    Without the first of each circle there is none left.
    """
    left: set[str] = set()
    for start in needs:
        path: dict[str, Iterator[str]] = {}
        step: str | None = None if start in left else start
        while step is not None:
            path.setdefault(step, iter(needs.get(step, ())))
            following = next(path[step], None)
            if following is None:
                left.add(step)
                del path[step]
                step = next(reversed(path), None)
            elif following in path:
                begun = list(path).index(following)
                yield [*islice(path, begun, begun + CYCLE_MAX), following]
            elif following not in left:
                step = following


def dependents_of(ids: Iterable[str], needs: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Find all that need one of `ids`, directly or not; gives each with what it needs of them."""
    dependents: dict[str, list[str]] = {}
    for shot_id, needed in needs.items():
        for need in needed:
            dependents.setdefault(need, []).append(shot_id)
    found: dict[str, str] = {}
    walked = list(ids)
    known = set(walked)
    for culprit in walked:  # grows while it is walked
        for dependent in dependents.get(culprit, []):
            if dependent not in known:
                known.add(dependent)
                walked.append(dependent)
                found[dependent] = culprit
    return found


class Skipped(NamedTuple):
    """A shot that can't be drawn, and the one it needs that failed or never came."""

    shot: Shot
    because: str


class Unblocked(NamedTuple):
    """What can start now, and what never will."""

    ready: list[Shot]
    skipped: list[Skipped]


class Dependencies:
    """Holds shots back until all they need is done; one that fails takes those down that need it.

    Shots come one by one, in any order, so that a file of any length passes through: only those
    that wait are kept, and what became of the ids in `needed`. Those `left_out` never come.
    """

    def __init__(self, needed: Collection[str], *, left_out: Collection[str] = ()) -> None:
        self._needed = frozenset(needed)
        self._done: set[str] = set()
        self._failed: set[str] = set(left_out)
        self._waiting: dict[str, Shot] = {}
        self._dependents: dict[str, list[str]] = {}

    def admit(self, shot: Shot) -> Unblocked:
        """Take a shot in: it is ready, skipped, or waits."""
        failed = next((need for need in shot.needs if need in self._failed), None)
        if failed is not None:
            others = self._fail(shot.id)
            return Unblocked([], [Skipped(shot, failed), *others])
        if self._done.issuperset(shot.needs):
            return Unblocked([shot], [])
        self._waiting[shot.id] = shot
        for need in shot.needs:
            self._dependents.setdefault(need, []).append(shot.id)
        return Unblocked([], [])

    def done(self, shot_id: str) -> Unblocked:
        """Note that a shot is drawn; gives what waited for it alone."""
        if shot_id in self._needed:
            self._done.add(shot_id)
        ready = []
        for dependent in self._dependents.pop(shot_id, []):
            shot = self._waiting.get(dependent)
            if shot is not None and self._done.issuperset(shot.needs):
                ready.append(self._waiting.pop(dependent))
        return Unblocked(ready, [])

    def failed(self, shot_id: str) -> Unblocked:
        """Note that a shot failed; gives all that needs it, directly or not."""
        return Unblocked([], self._fail(shot_id))

    def stranded(self) -> list[Skipped]:
        """Give up on what still waits, once no more shots come and none is being drawn."""
        left = [
            Skipped(shot, next(need for need in shot.needs if need not in self._done))
            for shot in self._waiting.values()
        ]
        self._waiting.clear()
        self._dependents.clear()
        return left

    def _fail(self, shot_id: str) -> list[Skipped]:
        skipped = []
        fallen = [shot_id]
        for culprit in fallen:  # grows while it is walked
            if culprit in self._needed:
                self._failed.add(culprit)
            for dependent in self._dependents.pop(culprit, []):
                shot = self._waiting.pop(dependent, None)
                if shot is not None:
                    skipped.append(Skipped(shot, culprit))
                    fallen.append(dependent)
        return skipped
