"""The survey: all that is wrong with a shot list, and what its shots need, before anything else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from stills.batch.image_files import ImageNames
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.references import OnUnsupported, settle_references
from stills.contract.errors import InvalidReference, InvalidRequest
from stills.contract.models import Model
from stills.shotlist.columns import suggest
from stills.shotlist.dependencies import dependents_of
from stills.shotlist.reader import ShotList
from stills.shotlist.shots import Problem, Shot


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch is to be drawn.

    `fresh` are ids to be paid for in any case. `last` is what the folder has as done, to be left as
    it is; None draws all.
    """

    model: Model
    on_unsupported: OnUnsupported | None = None
    fresh: frozenset[str] = frozenset()
    last: Mapping[str, ManifestEntry] | None = None
    max_cost_usd: float | None = None


class Batch:
    """A shot list with its references settled for one model; survey it before all else.

    `problems` grow in the survey and the plan, and `left_out` with them, the ids of shots that
    can't be drawn; `notes` say once what was done to references or left out; `needed` are the ids
    that others need; `names` are those of the image files.
    """

    def __init__(self, shot_list: ShotList, choices: BatchOptions) -> None:
        self._shot_list = shot_list
        self._portraits: set[str] = set()
        self.left_out: set[str] = set()
        self._changed: set[str] = set()
        self._fresh: list[tuple[int, Shot]] = []
        self.choices = choices
        self.problems: list[Problem] = []
        self.needed: set[str] = set()
        self.names = ImageNames(())
        self._notes: dict[str, None] = {}

    @property
    def title(self) -> str:
        """The project's title, else the name of the file."""
        return self._shot_list.title or Path(self._shot_list.name).stem

    @property
    def notes(self) -> list[str]:
        """What is to be told once."""
        return [*self._shot_list.notes, *self._notes]

    def survey(self) -> None:
        """Go through the list for what is wrong with it, and what its shots need of each other.

        Raises:
            InvalidRequest: the list as a whole can't be read, or a shot that `fresh` names is not
                in it, or is a portrait that no shot needs.
        """
        unseen = set(self.choices.fresh)
        near: dict[str, str] = {}
        needs: dict[str, tuple[str, ...]] = {}
        self.names = ImageNames(self._check_shots(unseen, near, needs))
        self._changed.update(dependents_of(self._changed, needs))
        if unseen:
            shot_id = min(unseen)
            raise InvalidRequest(
                f"no shot has the id {shot_id[:60]!r}",
                field="fresh",
                action=near.get(shot_id) or "Name shots by their ids.",
            )
        for _, shot in self._fresh:
            if shot.is_portrait and shot.id not in self.needed:
                raise InvalidRequest(
                    f"no portrait is drawn under {shot.id[:60]!r}",
                    field="fresh",
                    action="No shot is sent with it; name the shots themselves.",
                )

    def shots(self) -> Iterator[tuple[int, Shot]]:
        """Give the shots with their places in the input, but for those with a problem or no use.

        They come in input order, those of `fresh` first: what shares their image then finds it.
        """
        for position, shot in chain(self._fresh, self._others()):
            if shot.id in self.left_out:
                continue
            if shot.is_portrait and shot.id not in self.needed:
                continue
            yield position, self._settle(shot)

    def _others(self) -> Iterator[tuple[int, Shot]]:
        for position, item in enumerate(self._shot_list):
            if isinstance(item, Shot) and item.id not in self.choices.fresh:
                yield position, item

    def leave_out(self, shot: Shot, error: InvalidRequest) -> None:
        """Note that a shot can't be asked for."""
        message = error.message
        if error.field == "prompt" and shot.describe and shot.describe in shot.request.prompt:
            message += ", with the cast described in it"
        self._note_problem(
            Problem(shot.source, error.field, message, error.action, shot_id=shot.id)
        )

    def carried_over(self, shot: Shot) -> ManifestEntry | None:
        """Look up what the last manifest says of a shot that is to be left as it is.

        It is, if it was done, and would be asked for with the same words and the same reference.
        """
        entry = self._done_before(shot)
        return entry if self._changed.isdisjoint(shot.needs) else None

    def _done_before(self, shot: Shot) -> ManifestEntry | None:
        entry = (self.choices.last or {}).get(shot.id)
        if shot.id in self.choices.fresh:
            return None
        if entry is None or entry.file is None or shot.request.reference_image is not None:
            return None  # under a reference's name another image may lie: the catalog can tell
        asked_before = (entry.shot.request, entry.shot.needs)
        return entry if asked_before == (shot.request, shot.needs) else None

    def _note_problem(self, problem: Problem) -> None:
        self.problems.append(problem)
        if problem.shot_id is not None:
            self.left_out.add(problem.shot_id)

    def _check_shots(
        self, unseen: set[str], near: dict[str, str], needs: dict[str, tuple[str, ...]]
    ) -> Iterator[str]:
        portraits: dict[str, Shot] = {}
        for position, item in enumerate(self._shot_list):
            if isinstance(item, Problem):
                self._note_problem(item)
                continue
            for wanted in unseen - {item.id}:
                near[wanted] = near.get(wanted) or suggest(wanted, [item.id])
            unseen.discard(item.id)
            if item.id in self.choices.fresh:
                self._fresh.append((position, item))
            if item.is_portrait:
                portraits[item.id] = item
                self._portraits.add(item.id)
            else:
                self._check(item, needs)
            yield item.id
        drawn = [shot_id for shot_id in portraits if shot_id in self.needed]
        for shot_id in drawn:  # grows while it is walked, for one may need another
            self._check(portraits[shot_id], needs)
            others = needs.get(shot_id, ())
            drawn += [one for one in others if one in portraits and one not in drawn]

    def _check(self, shot: Shot, needs: dict[str, tuple[str, ...]]) -> None:
        try:
            settled = self._settle(shot)
        except InvalidReference as error:
            self.leave_out(shot, error)
            return
        self.needed.update(settled.needs)
        if settled.needs:
            needs[shot.id] = settled.needs
        if self.choices.last is not None and self._done_before(settled) is None:
            self._changed.add(shot.id)

    def _settle(self, shot: Shot) -> Shot:
        choices = self.choices
        settled = settle_references(shot, self._portraits, choices.model, choices.on_unsupported)
        if settled.note is not None:
            self._notes[settled.note] = None
        return settled.shot
