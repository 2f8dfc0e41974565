"""Rows without ids that have moved: they keep the ids that they had in the output folder.

The id and the seed of such a row come from its position. Without this, a row inserted at the top of
a list would give each pick, comment and own picture to another shot, and all rows new seeds, so
that every image would be paid for again.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from stills.batch.manifest_entry import ManifestEntry
from stills.batch.preflight import BatchOptions
from stills.batch.references import resolve_references
from stills.contract.errors import InvalidRequest
from stills.contract.request import ImageRequest
from stills.shotlist.kept_ids import KeptId
from stills.shotlist.reader import ShotList
from stills.shotlist.shot_builder import default_id, derive_seed, split_default_id
from stills.shotlist.shots import Outcome, Problem, Shot, ShotReference

_DEFAULT_ID = re.compile(r"shot-([0-9]{4,})")
_LIST_GREW = 2
"""How much longer a list may have been than its last manifest, for seeds to be recognized."""
_LIST_GREW_ROWS = 100

Content = tuple[ImageRequest, tuple[ShotReference, ...]]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row without an id. `content` is None if it is invalid, `project_seed` if it has a seed."""

    position_id: str
    source: str
    content: Content | None
    project_seed: int | None


def keep_ids(
    shot_list: ShotList,
    earlier: Mapping[str, ManifestEntry],
    options: BatchOptions,
    *,
    reviewed: Collection[str] = (),
) -> None:
    """Give rows without ids the ids that rows of the same content had in an earlier run.

    A row that was changed keeps its id too, if it still comes after the same row, or first. A new
    row gets an id that neither the earlier run nor the review has: `reviewed` are those of the
    review. `earlier` are the entries of the earlier run in its order. Blocks.
    """
    before = {
        shot_id: entry.shot
        for shot_id, entry in earlier.items()
        if entry.shot.take_of is None and _DEFAULT_ID.fullmatch(shot_id)
    }
    if not before:
        return
    rows, others = _read_rows(shot_list, options)
    for shot_id in others:
        before.pop(shot_id, None)  # the list gives it to a row by now
    ids = _find_changed(rows, before, _find_equal(rows, before))
    taken = {*before, *others, *reviewed}
    free = _free_ids(taken)
    seeds = _Seeds(max(len(before), len(rows)))
    kept: dict[str, KeptId] = {}
    for row in rows:
        here = row.position_id
        new_id = ids.get(here) or (here if here not in taken else next(free))
        taken.add(new_id)
        kept[here] = KeptId(new_id, seeds.find(row, new_id, before.get(new_id)))
    if seeds.found or any(one.id != here for here, one in kept.items()):
        shot_list.keep_ids(kept)
    moved = [row for row in rows if ids.get(row.position_id, row.position_id) != row.position_id]
    if moved:
        number = "1 row" if len(moved) == 1 else f"{len(moved)} rows"
        shot_list.add_note(
            f"{number} without ids moved, and keep their ids and images: "
            f"{ids[moved[0].position_id]} is now {moved[0].source}{', ...' * (len(moved) > 1)}"
        )


def _find_equal(rows: list[_Row], before: Mapping[str, Shot]) -> dict[str, str]:
    """Find the earlier id of each row by its content; equal rows get theirs in order."""
    left: dict[Content, list[str]] = {}
    for shot_id, shot in before.items():
        for request in (shot.request, replace(shot.request, seed=None)):
            left.setdefault((request, shot.references), []).append(shot_id)
    positions = {row.position_id for row in rows}
    ids: dict[str, str] = {}
    found: set[str] = set()
    for row in rows:
        if row.content is None:
            continue
        request, references = row.content
        earlier = tuple(_as_earlier(one, positions, ids) for one in references)
        same = left.get((request, earlier), [])
        while same and row.position_id not in ids:
            if (shot_id := same.pop(0)) not in found:
                ids[row.position_id] = shot_id
                found.add(shot_id)
    return ids


def _as_earlier(
    reference: ShotReference, positions: Collection[str], ids: Mapping[str, str]
) -> ShotReference:
    """Return a reference by the earlier id of the row that it names by its position, if any."""
    row_id, take = split_default_id(reference.shot or "") or ("", "")
    if row_id not in positions:
        return reference
    return replace(reference, shot=f"{ids.get(row_id)}{take}")


def _find_changed(
    rows: list[_Row], before: Mapping[str, Shot], equal: Mapping[str, str]
) -> dict[str, str]:
    """Add the rows that come after the same row as before, or first, with other content."""
    ids = dict(equal)
    found = set(ids.values())
    follower = dict(zip([None, *before], before, strict=False))
    last: str | None = None
    for row in rows:
        next_id = follower.get(last)
        if row.position_id not in ids and next_id is not None and next_id not in found:
            ids[row.position_id] = next_id
            found.add(next_id)
        last = ids.get(row.position_id, last)
    return ids


def _free_ids(taken: Collection[str]) -> Iterator[str]:
    """Yield ids for new rows, beyond all that are taken."""
    numbers = (int(found[1]) for one in taken if (found := _DEFAULT_ID.fullmatch(one)))
    last = max(numbers, default=0)
    return filter(lambda one: one not in taken, map(default_id, count(last + 1)))


class _Seeds:
    """The seeds that go with ids: derived from them, or from the positions of earlier versions."""

    def __init__(self, rows: int) -> None:
        self.found = False
        self._rows_max = _LIST_GREW * rows + _LIST_GREW_ROWS
        self._derived: dict[int, frozenset[int]] = {}

    def find(self, row: _Row, shot_id: str, earlier: Shot | None) -> int | None:
        """Return the seed of a row. An earlier seed counts if it has the same project seed."""
        if row.project_seed is None:
            return None
        seed = derive_seed(row.project_seed, shot_id)
        before = None if earlier is None else earlier.request.seed
        if before in {None, seed} or before not in self._derive_all(row.project_seed):
            return seed
        self.found = True
        return before

    def _derive_all(self, project_seed: int) -> frozenset[int]:
        if project_seed not in self._derived:
            numbers = range(1, self._rows_max + 1)
            seeds = (derive_seed(project_seed, default_id(one)) for one in numbers)
            self._derived[project_seed] = frozenset(seeds)
        return self._derived[project_seed]


def _read_rows(shot_list: ShotList, options: BatchOptions) -> tuple[list[_Row], set[str]]:
    """Read the rows whose ids come from their positions, and the ids of all others."""
    rows: list[_Row] = []
    others: set[str] = set()
    for item in shot_list:
        if isinstance(item, Problem):
            continue  # reported by the check
        if not item.is_numbered:
            others.add(item.id)
        elif item.take_of is None:
            content = _read_content(item, options)
            rows.append(_Row(item.id, item.source, content, item.project_seed))
    return rows, others


def _read_content(shot: Shot, options: BatchOptions) -> Content | None:
    try:
        resolved = resolve_references(shot, options.model, options.on_unsupported).shot
    except InvalidRequest:
        return None  # reported by the check
    request, references = resolved.request, ManifestEntry.of(Outcome(resolved)).shot.references
    return (request if shot.project_seed is None else replace(request, seed=None)), references
