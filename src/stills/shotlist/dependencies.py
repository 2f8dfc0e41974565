"""Dependencies between shots: a shot starts once every shot it needs is done."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from stills.shotlist.shots import Shot

CYCLE_MAX = 20
"""The number of shots named for a cycle; longer cycles are cut."""


def find_cycles(needs: Mapping[str, Collection[str]]) -> Iterator[list[str]]:
    """Yield cycles of shots, each needing the next; the last one is the first again.

    Without the first shot of each there are no more cycles.
    """
    finished: set[str] = set()
    for start in needs:
        path: dict[str, Iterator[str]] = {}
        step: str | None = None if start in finished else start
        while step is not None:
            path.setdefault(step, iter(needs.get(step, ())))
            following = next(path[step], None)
            if following is None:
                finished.add(step)
                del path[step]
                step = next(reversed(path), None)
            elif following in path:
                begin = list(path).index(following)
                yield [*islice(path, begin, begin + CYCLE_MAX), following]
            elif following not in finished:
                step = following


def dependents_of(ids: Iterable[str], needs: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Find the shots that need one of `ids`, directly or not, each with the shot it needs."""
    dependents: dict[str, list[str]] = {}
    for shot_id, needed in needs.items():
        for need in needed:
            dependents.setdefault(need, []).append(shot_id)
    found: dict[str, str] = {}
    visited = list(ids)
    known = set(visited)
    for cause in visited:  # grows during the loop
        for dependent in dependents.get(cause, []):
            if dependent not in known:
                known.add(dependent)
                visited.append(dependent)
                found[dependent] = cause
    return found


class Skipped(NamedTuple):
    """A shot that can't be generated, and the needed shot that failed or is missing."""

    shot: Shot
    because: str


class Unblocked(NamedTuple):
    """The shots that can start now, and those that never will."""

    ready: list[Shot]
    skipped: list[Skipped]


class Dependencies:
    """Holds shots back until everything they need is done; skips those whose need failed.

    Shots are added one by one, in any order. Only waiting shots, and the state of the ids in
    `needed`, stay in memory, so a list may have any length. Shots that need one of `left_out` are
    skipped.
    """

    def __init__(self, needed: Collection[str], *, left_out: Collection[str] = ()) -> None:
        self._needed = frozenset(needed)
        self._done: set[str] = set()
        self._failed: set[str] = set(left_out)
        self._waiting: dict[str, Shot] = {}
        self._dependents: dict[str, list[str]] = {}

    def add(self, shot: Shot) -> Unblocked:
        """Add a shot: it is ready or skipped, or it waits."""
        failed = next((need for need in shot.needs if need in self._failed), None)
        if failed is not None:
            others = self._skip_dependents(shot.id)
            return Unblocked([], [Skipped(shot, failed), *others])
        if self._done.issuperset(shot.needs):
            return Unblocked([shot], [])
        self._waiting[shot.id] = shot
        for need in shot.needs:
            self._dependents.setdefault(need, []).append(shot.id)
        return Unblocked([], [])

    def done(self, shot_id: str) -> Unblocked:
        """Mark a shot as done; return the shots that can start now."""
        if shot_id in self._needed:
            self._done.add(shot_id)
        ready = []
        for dependent in self._dependents.pop(shot_id, []):
            shot = self._waiting.get(dependent)
            if shot is not None and self._done.issuperset(shot.needs):
                ready.append(self._waiting.pop(dependent))
        return Unblocked(ready, [])

    def failed(self, shot_id: str) -> Unblocked:
        """Mark a shot as failed; skip all shots that need it, directly or not."""
        return Unblocked([], self._skip_dependents(shot_id))

    def stranded(self) -> list[Skipped]:
        """Remove and return the shots that still wait, once no more shots are added or running."""
        stranded = [
            Skipped(shot, next(need for need in shot.needs if need not in self._done))
            for shot in self._waiting.values()
        ]
        self._waiting.clear()
        self._dependents.clear()
        return stranded

    def _skip_dependents(self, shot_id: str) -> list[Skipped]:
        skipped = []
        causes = [shot_id]
        for cause in causes:  # grows during the loop
            if cause in self._needed:
                self._failed.add(cause)
            for dependent in self._dependents.pop(cause, []):
                shot = self._waiting.pop(dependent, None)
                if shot is not None:
                    skipped.append(Skipped(shot, cause))
                    causes.append(dependent)
        return skipped
