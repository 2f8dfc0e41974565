"""Preflight: check a whole shot list, and resolve its references, before anything is sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from stills.batch.image_files import ImageNames
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.references import (
    OnUnsupported,
    ResolvedReferences,
    UnsentReferences,
    resolve_references,
    without_needs,
)
from stills.contract.errors import InvalidRequest
from stills.contract.models import Model
from stills.shotlist.columns import suggest
from stills.shotlist.dependencies import dependents_of
from stills.shotlist.reader import ShotList
from stills.shotlist.shots import Problem, Shot


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How to generate a batch.

    `fresh` are ids of shots that always get a new image. `previous` are the entries that the output
    folder's manifest lists as done: unchanged shots are skipped. With None, no shot is.
    """

    model: Model
    on_unsupported: OnUnsupported | None = None
    fresh: frozenset[str] = frozenset()
    previous: Mapping[str, ManifestEntry] | None = None
    max_cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A checked shot list: what to generate, and the problems of what can't be.

    `notes` say what was done with references and what was ignored. `needed` are the ids of shots
    that others need, `changed` those that differ from `options.previous` or need one that does.
    `portraits` are the ids of all portraits. `fresh` are the shots of `options.fresh` with their
    positions. `names` are those of the image files.
    """

    shot_list: ShotList
    options: BatchOptions
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    needed: frozenset[str]
    changed: frozenset[str]
    portraits: frozenset[str]
    fresh: tuple[tuple[int, Shot], ...]
    names: ImageNames

    @property
    def title(self) -> str:
        """The project's title, or the name of the file."""
        return self.shot_list.title or Path(self.shot_list.name).stem

    @property
    def left_out(self) -> frozenset[str]:
        """The ids of shots that can't be generated."""
        return frozenset(one.shot_id for one in self.problems if one.shot_id is not None)

    def with_problems(self, problems: Sequence[Problem]) -> "Batch":
        """Return this batch without the shots of more problems."""
        return replace(self, problems=(*self.problems, *problems))

    def kept(self) -> Iterator[tuple[int, ManifestEntry]]:
        """Yield nothing: a run of a list writes every entry again."""
        return iter(())

    def shots(self) -> Iterator[tuple[int, Shot]]:
        """Yield each usable shot with its position in the input, its references resolved.

        If a shot can't be generated, neither can its further takes. They come in input order, after
        those of `fresh`: shots with the same image then find it.
        """
        left_out = self.left_out
        for position, shot in chain(self.fresh, self._others()):
            if not left_out.isdisjoint([shot.id, shot.take_of]):
                continue
            if shot.is_portrait and shot.id not in self.needed:
                continue
            yield position, _resolve(shot, self.options).shot

    def find_previous(self, shot: Shot) -> ManifestEntry | None:
        """Return the earlier entry of a shot that is skipped; None if it is to be generated.

        A shot is skipped if it was done with the same prompt and references.
        """
        entry = _find_same(shot, self.options)
        return entry if self.changed.isdisjoint(shot.needs) else None

    def _others(self) -> Iterator[tuple[int, Shot]]:
        for position, item in enumerate(self.shot_list):
            if isinstance(item, Shot) and item.id not in self.options.fresh:
                yield position, item


def check(shot_list: ShotList, options: BatchOptions) -> Batch:
    """Check a whole shot list, and find out which shots its shots need.

    Raises:
        InvalidRequest: the file as a whole can't be read, or `fresh` has an id that is not in it,
            or that of a portrait that no shot needs.
    """
    return _Check(shot_list, options).run()


def make_problem(shot: Shot, error: InvalidRequest) -> Problem:
    """Report a shot that can't be generated."""
    message = error.message
    if error.field == "prompt" and shot.reference_text is not None:
        message += ", with what it says about its references"
    return Problem(shot.source, error.field, message, error.action, shot_id=shot.id)


class _Check:
    def __init__(self, shot_list: ShotList, options: BatchOptions) -> None:
        self._shot_list = shot_list
        self._options = options
        self._problems: list[Problem] = []
        self._invalid: set[str] = set()
        self._unsent = UnsentReferences(options.model)
        self._needs: dict[str, tuple[str, ...]] = {}
        self._needed: set[str] = set()
        self._changed: set[str] = set()
        self._portraits: dict[str, Shot] = {}
        self._fresh: list[tuple[int, Shot]] = []
        self._missing = set(options.fresh)
        self._suggestions: dict[str, str] = {}

    def run(self) -> Batch:
        names = ImageNames(self._check_shots())
        self._check_portraits()
        self._check_fresh()
        self._changed.update(dependents_of(self._changed, self._needs))
        return Batch(
            shot_list=self._shot_list,
            options=self._options,
            problems=tuple(self._problems),
            notes=(*self._shot_list.notes, *filter(None, [self._unsent.note])),
            needed=frozenset(self._needed),
            changed=frozenset(self._changed),
            portraits=frozenset(self._portraits),
            fresh=tuple(self._fresh),
            names=names,
        )

    def _check_shots(self) -> Iterator[str]:
        """Check all shots but portraits, and yield the id of each."""
        for position, item in enumerate(self._shot_list):
            if isinstance(item, Problem):
                self._problems.append(item)
                continue
            self._find_fresh(position, item)
            if item.is_portrait:
                self._portraits[item.id] = item
            else:
                self._check_shot(item)
            yield item.id

    def _find_fresh(self, position: int, shot: Shot) -> None:
        self._missing.discard(shot.id)
        for missing in self._missing:
            if not self._suggestions.get(missing):
                self._suggestions[missing] = suggest(missing, [shot.id])
        if shot.id in self._options.fresh:
            self._fresh.append((position, shot))

    def _check_portraits(self) -> None:
        portraits = [shot_id for shot_id in self._portraits if shot_id in self._needed]
        for shot_id in portraits:  # grows during the loop: a portrait may need another
            self._check_shot(self._portraits[shot_id])
            others = self._needs.get(shot_id, ())
            portraits += [one for one in others if one in self._portraits and one not in portraits]

    def _check_shot(self, shot: Shot) -> None:
        if shot.take_of is not None and shot.take_of in self._invalid:
            return
        try:
            resolved = _resolve(shot, self._options)
            without_needs(resolved.shot)  # checks paths and URLs
        except InvalidRequest as error:
            self._problems.append(make_problem(shot, error))
            self._invalid.add(shot.id)
            return
        self._unsent.add(resolved)
        needs = resolved.shot.needs
        self._needed.update(needs)
        if needs:
            self._needs[shot.id] = needs
        if self._options.previous is not None and not _find_same(resolved.shot, self._options):
            self._changed.add(shot.id)

    def _check_fresh(self) -> None:
        if self._missing:
            shot_id = min(self._missing)
            raise InvalidRequest(
                f"no shot has the id {shot_id[:60]!r}",
                field="fresh",
                action=self._suggestions.get(shot_id) or "Use the ids of shots.",
            )
        for _, shot in self._fresh:
            if shot.is_portrait and shot.id not in self._needed:
                raise InvalidRequest(
                    f"no shot needs the portrait {shot.id[:60]!r}",
                    field="fresh",
                    action="It would be paid for without being used. Use the ids of shots.",
                )


def _resolve(shot: Shot, options: BatchOptions) -> ResolvedReferences:
    return resolve_references(shot, options.model, options.on_unsupported)


def _find_same(shot: Shot, options: BatchOptions) -> ManifestEntry | None:
    """Return the earlier entry of a shot, if its request and needs are the same."""
    entry = (options.previous or {}).get(shot.id)
    if shot.id in options.fresh:
        return None
    has_image = any(one.image is not None for one in shot.references)
    if entry is None or entry.file is None or has_image:
        return None  # a reference's file may have changed: the catalog compares its content
    before = (entry.shot.request, entry.shot.needs)
    return entry if before == (shot.request, shot.needs) else None
