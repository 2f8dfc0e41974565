"""Rows without ids that have moved: they keep the seeds, and so the images, that they had.

The id and the seed of such a row come from its position. Without this, a row inserted at the top of
a list would give all rows below it new seeds, and every image would be paid for again.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from stills.batch.manifest_entry import ManifestEntry, Status
from stills.batch.preflight import BatchOptions
from stills.batch.references import resolve_references
from stills.contract.errors import InvalidRequest
from stills.contract.request import ImageRequest
from stills.shotlist.reader import ShotList
from stills.shotlist.shot_builder import default_id, derive_seed
from stills.shotlist.shots import Outcome, Shot, ShotReference

_DEFAULT_ID = re.compile(r"shot-[0-9]{4,}")
_LIST_GREW = 2
"""How much longer a list may have been than its last manifest, for seeds to be recognized."""
_LIST_GREW_ROWS = 100

Content = tuple[ImageRequest, tuple[ShotReference, ...]]


def keep_seeds(
    shot_list: ShotList, earlier: Mapping[str, ManifestEntry], options: BatchOptions
) -> None:
    """Give rows without ids the seeds that rows of the same content had in an earlier run.

    A seed of the earlier run only counts if it was derived from the same project seed. Blocks.
    """
    before = {
        shot_id: (_content(entry.shot), entry.shot.request.seed)
        for shot_id, entry in earlier.items()
        if entry.status is Status.DONE and _DEFAULT_ID.fullmatch(shot_id)
    }
    if not before:
        return
    rows, project_seed = _read_rows(shot_list, options)
    if project_seed is None:
        return
    rows_max = _LIST_GREW * max(len(earlier), len(rows)) + _LIST_GREW_ROWS
    derived = {derive_seed(project_seed, default_id(one)) for one in range(1, rows_max + 1)}
    seeds: dict[str, int] = {}
    left: dict[Content, list[int]] = {}
    for shot_id, (content, seed) in before.items():
        if seed not in derived or seed is None:
            continue
        if rows.get(shot_id) == content:
            seeds[shot_id] = seed
        else:
            left.setdefault(content, []).append(seed)
    for shot_id, content in rows.items():
        if shot_id not in seeds and left.get(content):
            seeds[shot_id] = left[content].pop(0)
    shot_list.keep_seeds(
        {one: seed for one, seed in seeds.items() if seed != derive_seed(project_seed, one)}
    )


def _read_rows(shot_list: ShotList, options: BatchOptions) -> tuple[dict[str, Content], int | None]:
    """Read the content of the rows whose id and seed come from their position."""
    rows: dict[str, Content] = {}
    project_seed = None
    for shot in shot_list:
        if not isinstance(shot, Shot) or shot.project_seed is None or shot.take_of is not None:
            continue
        project_seed = shot.project_seed
        try:
            resolved = resolve_references(shot, options.model, options.on_unsupported).shot
        except InvalidRequest:
            continue  # reported by the check
        rows[shot.id] = _content(ManifestEntry.of(Outcome(resolved)).shot)
    return rows, project_seed


def _content(shot: Shot) -> Content:
    return replace(shot.request, seed=None), shot.references
