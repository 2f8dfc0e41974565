"""The run of a review: it generates the requested takes, and leaves everything else as it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stills.batch.image_files import ImageNames, file_in
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.batch.manifest_entry import ManifestEntry, is_hidden_reference
from stills.batch.preflight import BatchOptions
from stills.contract.errors import InvalidReference, InvalidRequest
from stills.review.board import Board, BoardShot, image_of
from stills.review.marking import request_rejected
from stills.review.records import Review, TakeRequest
from stills.review.review_file import change_review, now
from stills.shotlist.shots import Problem, Shot, ShotReference


@dataclass(frozen=True, slots=True)
class RetakePlan:
    """What a run of a review generates; it is a RunPlan.

    `entries` are those of the manifest, and `retakes` the requested takes, with their positions.
    `requests` are all requests of the shots, also those that stand for rejected takes.
    """

    folder: Path

    title: str
    options: BatchOptions
    problems: tuple[Problem, ...]
    names: ImageNames
    entries: Mapping[str, tuple[int, ManifestEntry]]
    retakes: tuple[tuple[int, Shot], ...]
    requests: Mapping[str, tuple[TakeRequest, ...]]
    notes: tuple[str, ...] = ()

    @property
    def needed(self) -> frozenset[str]:
        """The ids of the takes that are references."""
        return frozenset(need for _, shot in self.retakes for need in shot.needs)

    @property
    def left_out(self) -> frozenset[str]:
        """The ids of takes that can't be generated."""
        return frozenset(one.shot_id for one in self.problems if one.shot_id is not None)

    def with_problems(self, problems: Sequence[Problem]) -> "RetakePlan":
        """Return this plan without the takes of more problems."""
        return replace(self, problems=(*self.problems, *problems))

    def kept(self) -> Iterator[tuple[int, ManifestEntry]]:
        """Yield all entries of the manifest, which nobody else can change now.

        Raises:
            InvalidRequest: it is not the one that was planned with.
        """
        entries = list(read_manifest(self.folder / MANIFEST_NAME))
        if [_identify(one) for one in entries] != [
            _identify(one) for _, one in self.entries.values()
        ]:
            raise InvalidRequest(
                "another run has just changed the manifest", action="Nothing was sent. Try again."
            )
        yield from enumerate(entries)

    def shots(self) -> Iterator[tuple[int, Shot]]:
        """Yield the takes that are references, then those to generate."""
        for shot_id in sorted(self.needed):
            position, entry = self.entries[shot_id]
            yield position, entry.shot
        left_out = self.left_out
        for position, shot in self.retakes:
            if shot.id not in left_out:
                yield position, shot

    def find_previous(self, shot: Shot) -> ManifestEntry | None:
        """Return the entry of a take that is a reference."""
        return self.entries[shot.id][1] if shot.id in self.needed else None


def request_all_rejected(board: Board) -> Review:
    """Ask for another take in place of each rejected one, where no take is picked."""
    reviews = {shot.id: request_rejected(board, shot) for shot in board.shots}
    return board.review.change("regenerate rejected takes", now(), reviews)


def plan_retakes(board: Board, options: BatchOptions) -> RetakePlan:
    """Plan the takes that a review asks for, and those in place of rejected ones."""
    listed = board.entries
    entries = {entry.shot.id: (position, entry) for position, entry in enumerate(listed)}
    wanted = board.with_review(request_all_rejected(board))
    problems: list[Problem] = []
    retakes: list[tuple[int, Shot]] = []
    for shot in wanted.shots:
        for request in shot.waiting:
            try:
                made = _make_shot(wanted, shot, request)
            except InvalidRequest as error:
                problem = Problem.of(f"{request.id}", error)
                problems.append(replace(problem, shot_id=request.id))
                continue
            position, _ = entries.get(made.id, (len(listed) + len(retakes), None))
            retakes.append((position, made))
    ids = [*entries, *(shot.id for _, shot in retakes if shot.id not in entries)]
    return RetakePlan(
        folder=board.folder,
        title=board.title,
        options=options,
        problems=tuple(problems),
        names=ImageNames(ids),
        entries=entries,
        retakes=tuple(retakes),
        requests={shot.id: shot.review.requests for shot in wanted.shots if shot.review.requests},
    )


def confirm_requests(plan: RetakePlan) -> Review:
    """Write the requests of a plan to the review, before they are sent. Blocks.

    Raises:
        InvalidRequest: another request has the id of one of them by now.
        OutputRefused: the review can't be written.
    """
    return change_review(plan.folder, lambda review: _add_requests(review, plan.requests))


def find_model_id(board: Board) -> str | None:
    """Return the model of the board's images, or None if they are of several."""
    results = (take.entry.result for shot in board.shots for take in shot.takes)
    ids = {result.model for result in results if result is not None}
    return ids.pop() if len(ids) == 1 else None


def _identify(entry: ManifestEntry) -> tuple[str, str]:
    return (entry.shot.id, image_of(entry))


def _add_requests(review: Review, requests: Mapping[str, tuple[TakeRequest, ...]]) -> Review:
    changed = {}
    for shot_id, wanted in requests.items():
        before = review.of(shot_id)
        known = {one.id: one for one in before.requests}
        if any(known.get(one.id, one) != one for one in wanted):
            raise InvalidRequest(
                f"the review of shot {shot_id[:60]!r} has just been changed",
                field="shot",
                action="Nothing was sent. Try again.",
            )
        missing = tuple(one for one in wanted if one.id not in known)
        changed[shot_id] = replace(before, requests=(*before.requests, *missing))
    return review.change("regenerate rejected takes", now(), changed)


def _make_shot(board: Board, shot: BoardShot, request: TakeRequest) -> Shot:
    base = shot.find_take(request.based_on).entry.shot
    changed = replace(base.request, seed=request.seed)
    if request.prompt is not None:
        changed = replace(changed, prompt=request.prompt)
    references: Sequence[ShotReference] = base.references
    reference_text = base.reference_text
    if request.reference is not None:
        if request.prompt is None and base.references:  # it says what the former ones show
            changed, reference_text = replace(changed, prompt=base.written_prompt), None
        image = request.reference.url
        references = (ShotReference(image=image, shot=request.reference.shot),)
        if image is None and request.reference.shot is None:
            references = ()
    return Shot(
        id=request.id,
        request=changed,
        source=base.source,
        references=tuple(_resolve(board, one) for one in references),
        reference_text=reference_text,
        duration_seconds=base.duration_seconds,
        dialogue=base.dialogue,
        is_portrait=base.is_portrait,
        take=int(request.id.rpartition("-r")[2]),
        take_of=shot.id,
        is_retake=True,
    )


def _resolve(board: Board, reference: ShotReference) -> ShotReference:
    """Find the image of a reference: that of a shot is the one that stands for it now."""
    if reference.shot is None:
        if is_hidden_reference(reference.image):
            raise InvalidReference(
                "the manifest does not have the bytes of its reference image",
                field="reference_image",
                action="Ask for the take with another reference, or run the shot list again.",
            )
        return reference
    take = board.find_take(reference.shot)
    if take is None or take.entry.shot.take_of is None:
        shot = board.find(reference.shot)
        if shot.review.own is not None:
            own = file_in(board.folder, shot.review.own.file)
            return replace(reference, image=str(own.absolute()), shot=None)
        take = shot.chosen
    if take is None or not take.has_image:
        raise InvalidReference(
            f"it depends on {reference.shot[:60]!r}, which has no image",
            field="reference_shot",
            action="Pick a take of that shot, or ask for the take with another reference.",
        )
    return replace(reference, shot=take.id)
