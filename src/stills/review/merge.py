"""Merge the decisions of a copy of the board into the board.

Each is compared with the board as it was when the copy was made. What only the copy changed is
taken over. Where both changed the same, ours stays, and theirs becomes a comment: nothing is lost.
"""

import hashlib
from dataclasses import dataclass, replace

from stills.contract.errors import InvalidRequest
from stills.review import marking
from stills.review.board import Board, BoardShot, image_of
from stills.review.marks_file import AskedTake, MarkedShot, Marks, Side
from stills.review.records import Comment, Mark, Review, ShotReview, TakeRequest
from stills.review.review_file import change_review, now

_SOMEBODY = "somebody"
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: numbers of new decisions, and the conflicts in a line each."""

    marks: int
    comments: int
    requests: int
    conflicts: tuple[str, ...]


def merge_marks(board: Board, marks: Marks) -> Merged:
    """Merge marks into the review of a board, as one change that can be undone. Blocks.

    Merging the same marks again changes nothing.

    Raises:
        InvalidRequest: they are the marks of another board.
        OutputRefused: the review can't be written.
    """
    if marks.board != board.review.board:
        raise InvalidRequest(
            "the marks belong to another batch", action="Give the folder that the copy was made of."
        )
    merges: list[_Merge] = []

    def change(review: Review) -> Review:
        merges.clear()
        newest = board.with_review(review)
        by_id = {shot.id: shot for shot in newest.shots}
        for shot_id, marked in marks.shots.items():
            shot = by_id.get(shot_id)
            merge = _Merge(newest, shot, shot_id, marks.by)
            merge.run(marked)
            merges.append(merge)
        shots = {one.shot_id: one.review for one in merges}
        return review.change(f"merge the marks of {marks.by or _SOMEBODY}", now(), shots)

    change_review(board.folder, change)
    return Merged(
        sum(one.marks for one in merges),
        sum(one.comments for one in merges),
        sum(one.requests for one in merges),
        tuple(line for one in merges for line in one.conflicts),
    )


class _Merge:
    """The merge of one shot; `review` is the shot's review so far."""

    def __init__(self, board: Board, shot: BoardShot | None, shot_id: str, by: str | None) -> None:
        self.shot_id = shot_id
        self.review = ShotReview() if shot is None else shot.review
        self.marks = self.comments = self.requests = 0
        self.conflicts: list[str] = []
        self._board = board
        self._shot = shot
        self._by = by

    def run(self, marked: MarkedShot) -> None:
        if self._shot is None:
            self.conflicts.append(f"{self.shot_id}: the batch has no such shot")
            self.review = self._board.review.of(self.shot_id)
        else:
            self._merge_pick(marked.base, marked.now)
            self._merge_rejected(marked.base, marked.now)
            self._merge_requests(self._shot, marked.base, marked.now)
        self._add_comments(marked.base, marked.now)

    def _merge_pick(self, base: Side, theirs: Side) -> None:
        wanted = theirs.pick
        if wanted in {base.pick, self.review.pick}:
            return
        if wanted is not None and not self._is_here(wanted):
            self._conflict(f"picked {wanted.take}, whose picture has been replaced since")
        elif self.review.pick != base.pick or self.review.own is not None:
            ours = "an own picture" if self.review.own else self._name(self.review.pick)
            self._conflict(f"picked {self._name(wanted)}; here it is {ours}")
        elif wanted is not None and self._has_new_reject(base, wanted):
            self._conflict(f"picked {wanted.take}, which is rejected here")
        else:
            rejected = tuple(one for one in self.review.rejected if one != wanted)
            self.review = replace(self.review, pick=wanted, rejected=rejected)
            self.marks += 1

    def _merge_rejected(self, base: Side, theirs: Side) -> None:
        for mark in theirs.rejected:
            if mark in base.rejected or mark in self.review.rejected:
                continue
            if not self._is_here(mark):
                self._conflict(f"rejected {mark.take}, whose picture has been replaced since")
            elif mark == self.review.pick and mark != base.pick:
                self._conflict(f"rejected {mark.take}, which is picked here")
            else:
                pick = None if mark == self.review.pick else self.review.pick
                rejected = (*self.review.rejected, mark)
                self.review = replace(self.review, pick=pick, rejected=rejected)
                self.marks += 1
        cleared = [one for one in base.rejected if one not in theirs.rejected]
        kept = tuple(one for one in self.review.rejected if one not in cleared)
        self.marks += len(self.review.rejected) - len(kept)
        self.review = replace(self.review, rejected=kept)

    def _merge_requests(self, shot: BoardShot, base: Side, theirs: Side) -> None:
        left = [one.id for one in theirs.asked if one.id is not None]
        taken_back = {one.id for one in base.asked if one.id not in left}
        waiting = {one.id for one in shot.waiting}
        requests = [one for one in self.review.requests if one.id not in taken_back & waiting]
        self.requests += len(self.review.requests) - len(requests)
        self.review = replace(self.review, requests=tuple(requests))
        unmatched = list(requests)
        for asked in (one for one in theirs.asked if one.id is None):
            same = next((one for one in unmatched if _is_same(asked, one)), None)
            if same is not None:  # merged before
                unmatched.remove(same)
                continue
            self._ask(shot, asked)

    def _ask(self, shot: BoardShot, asked: AskedTake) -> None:
        current = replace(shot, review=self.review)
        try:
            self.review = marking.request_take(
                self._board,
                current,
                current.find_take(asked.based_on),
                prompt=asked.prompt,
                seed=asked.seed,
                reference=asked.reference,
            )
        except InvalidRequest as error:
            prompt = f" with the prompt: {asked.prompt}" if asked.prompt else ""
            self._conflict(f"asked for a take like {asked.based_on}{prompt} ({error.message})")
        else:
            self.requests += 1

    def _add_comments(self, base: Side, theirs: Side) -> None:
        known = {one.id for one in (*base.comments, *self.review.comments)}
        new = tuple(one for one in theirs.comments if one.id not in known)
        self.comments += len(new)
        self.review = replace(self.review, comments=(*self.review.comments, *new))

    def _is_here(self, mark: Mark) -> bool:
        takes = () if self._shot is None else self._shot.takes
        return any((one.id, image_of(one.entry)) == (mark.take, mark.image) for one in takes)

    def _has_new_reject(self, base: Side, mark: Mark) -> bool:
        return mark in self.review.rejected and mark not in base.rejected

    def _name(self, mark: Mark | None) -> str:
        return "no take" if mark is None else mark.take

    def _conflict(self, what: str) -> None:
        """Report what can't be merged, and keep it as a comment, once."""
        self.conflicts.append(f"{self.shot_id}: {self._by or _SOMEBODY} {what}")
        name = hashlib.sha256(f"{self.shot_id}\n{what}".encode("utf-8", "replace")).hexdigest()
        comment = Comment(name[:_DIGEST_CHARACTERS], what, now(), by=self._by)
        if all(one.id != comment.id for one in self.review.comments):
            self.review = replace(self.review, comments=(*self.review.comments, comment))


def _is_same(asked: AskedTake, request: TakeRequest) -> bool:
    return (
        asked.based_on == request.based_on
        and asked.prompt == request.prompt
        and asked.reference == request.reference
        and asked.seed in {None, request.seed}
    )
