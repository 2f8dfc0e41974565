"""A folder under review: decisions, prices, generation, and what all open pages are told."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stills.app import Stills
from stills.batch.estimate import Estimate, check_cost, make_estimate
from stills.batch.image_files import REVIEW_NAME, file_in
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.output import RunOutput
from stills.batch.preflight import BatchOptions
from stills.batch.run import Run
from stills.batch.thumbnails import make_thumbnail, thumbnail_file
from stills.contract.access import BudgetOwner
from stills.contract.errors import Conflict, InvalidRequest, StillsError
from stills.contract.money import check_max_cost, format_amount, format_usd
from stills.http.errors import describe
from stills.review import actions, marking
from stills.review.board import Board, image_of, make_board
from stills.review.own_picture import keep_own_picture
from stills.review.page.document import make_state, render_page
from stills.review.page.shots import ShotRenderer
from stills.review.record import end_run, record_unless_running
from stills.review.records import Review
from stills.review.retake_plan import RetakePlan, confirm_requests, find_model_id, plan_retakes
from stills.review.review_file import change_review, now, read_review
from stills.review.review_json import as_members
from stills.shotlist.shots import Outcome

Events = asyncio.Queue[tuple[str, Mapping[str, Any]] | None]

_EVENTS_MAX = 1000
_RECORD_SECONDS = 1.0
_WATCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """How a folder is reviewed.

    `model_id` is None for the model of its images. `max_cost_usd` is the most that one run may
    cost. `why_not` says why nothing can be generated, None if it can. `allows_urls` is whether a
    reference may be a URL, which this machine then downloads.
    """

    folder: Path
    model_id: str | None = None
    max_cost_usd: float | None = None
    why_not: str | None = None
    allows_urls: bool = True


@dataclass(slots=True)
class _Running:
    """A run: its shots that have ended, and how to stop it."""

    stop: asyncio.Event
    wanted: int
    ended: dict[str, ManifestEntry]
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A board as it was read, and the files that its page may load.

    `thumbnails` are the files and names of images by the path of their thumbnail. `key` changes
    when a file of the board does.
    """

    key: tuple[object, ...]
    board: Board
    thumbnails: Mapping[str, tuple[str, str]]
    files: frozenset[str]


class ReviewSession:
    """One folder under review. It belongs to one event loop; all methods are for that.

    Raises:
        InvalidRequest: the folder, its manifest or its review can't be read; from every method.
    """

    def __init__(self, stills: Stills, options: ReviewOptions) -> None:
        self.options = options
        self.folder = options.folder
        self._stills = stills
        self._listeners: set[Events] = set()
        self._snapshot: _Snapshot | None = None
        self._starting = asyncio.Lock()
        self._running: _Running | None = None
        self._generating: asyncio.Task[None] | None = None
        self._recording: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch the review for changes by other processes."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """End the streams of events, finish what was sent, and write what was decided."""
        self.end_streams()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self.stop()
        if self._generating is not None:
            await asyncio.gather(self._generating, return_exceptions=True)
        if self._recording is not None:
            self._recording.cancel()
            await asyncio.gather(self._recording, return_exceptions=True)
            await asyncio.to_thread(record_unless_running, self.folder)

    def end_streams(self) -> None:
        """End the streams of events, which would keep a server from stopping."""
        for queue in self._listeners:
            with suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    async def read_board(self) -> Board:
        """Read the board as it is now, with the takes that a run has just made."""
        return (await asyncio.to_thread(self._read)).board

    async def render(self) -> bytes:
        """Return the page."""
        board = await self.read_board()
        return await asyncio.to_thread(render_page, board, self._live(board))

    async def render_shot(self, shot_id: str) -> str:
        """Return one shot of the page, as HTML."""
        board = await self.read_board()
        return await asyncio.to_thread(ShotRenderer(board).render, board.find(shot_id))

    async def state(self) -> dict[str, Any]:
        """Return what the page's script knows."""
        board = await self.read_board()
        return make_state(board) | {"running": self.progress()}

    def progress(self) -> dict[str, Any] | None:
        """Return how far a run is, None without one."""
        running = self._running
        if running is None:
            return None
        return {
            "shots": sorted({one.shot.first_take for one in running.ended.values()}),
            "wanted": running.wanted,
            "done": len(running.ended) - running.failed,
            "failed": running.failed,
            "stopping": running.stop.is_set(),
        }

    async def decide(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Carry out a decision of the page, and tell all pages."""
        reference = given.get("reference")
        if not self.options.allows_urls and isinstance(reference, dict) and "url" in reference:
            raise InvalidRequest(
                "a reference can't be a URL here",
                field="reference",
                action="Name a shot or a take, or use `stills review` on the machine itself.",
            )

        def change(board: Board) -> Review:
            _, review = actions.decide(board, given)
            return review

        return await self._change(change)

    async def undo(self) -> dict[str, Any]:
        """Undo the latest decision, and tell all pages."""
        return await self._change(lambda board: board.review.undo_last())

    async def use_own(self, shot_id: str, data: bytes, name: str) -> dict[str, Any]:
        """Let a picture of the user stand for a shot, and tell all pages."""
        board = await self.read_board()
        shot = board.find(shot_id)
        own = await keep_own_picture(self._stills, self.folder, shot.id, data, name)
        await make_thumbnail(self._stills, self.folder, own.file, own.digest)

        def change(board: Board) -> Review:
            review = marking.use_own(board.find(shot_id), own)
            return board.review.change(f"{shot_id}: own picture", now(), {shot_id: review})

        return await self._change(change)

    async def plan(self, max_cost_usd: float | None = None) -> dict[str, Any]:
        """Return what would be generated, its price, and the cap. Nothing is sent."""
        return self._describe(*await self._plan(max_cost_usd))

    async def generate(
        self, shown: Mapping[str, object], payer: BudgetOwner | None
    ) -> dict[str, Any]:
        """Begin to generate what `plan` showed: its takes, at its price, under the same cap.

        Raises:
            Conflict: another run is on, or what was shown is out of date.
            BudgetExceeded: it could cost more than the cap.
        """
        if self.options.why_not is not None:
            raise InvalidRequest(self.options.why_not, action="Nothing was sent.")
        async with self._starting:
            if self._running is not None:
                raise Conflict("a run is on", action="Wait for it to end, or stop it.")
            made, estimate = await self._plan(_read_cap(shown.get("max_cost_usd")))
            plan = self._describe(made, estimate)
            if any(shown.get(name) != plan[name] for name in ("takes", "cost")):
                raise Conflict(
                    "the review or a price has changed since it was shown",
                    action="Nothing was sent. Look at the plan again.",
                )
            if not plan["takes"]:
                raise InvalidRequest(
                    "nothing is asked for", action="Ask for a take, or reject one."
                )
            check_cost(estimate, made.options)
            await asyncio.to_thread(confirm_requests, made)
            output = RunOutput(self.folder, made.names, self._on_outcome)
            self._running = _Running(asyncio.Event(), len(plan["takes"]), {})
            self._generating = asyncio.create_task(self._generate(made, output, payer))
        self.tell("run", {"running": self.progress()})
        return {"running": self.progress()}

    def stop(self) -> None:
        """Stop a run: what was sent is finished, nothing more is sent."""
        if self._running is not None:
            self._running.stop.set()
            self.tell("run", {"running": self.progress()})

    def listen(self) -> Events:
        """Return a queue of events; None ends it. `leave` gives it back."""
        queue: Events = asyncio.Queue(_EVENTS_MAX)
        self._listeners.add(queue)
        return queue

    def leave(self, queue: Events) -> None:
        """Stop listening."""
        self._listeners.discard(queue)

    def tell(self, event: str, data: Mapping[str, Any]) -> None:
        """Send an event to all open pages; one that does not read them is cut off."""
        for queue in list(self._listeners):
            try:
                queue.put_nowait((event, data))
            except asyncio.QueueFull:
                self._listeners.discard(queue)

    async def find_file(self, name: str) -> Path | None:
        """Return the file of the page that has this path in the folder, None if it has none.

        A thumbnail that is missing is made.
        """
        snapshot = await asyncio.to_thread(self._read)
        if name in snapshot.thumbnails:
            file, image = snapshot.thumbnails[name]
            made = await make_thumbnail(self._stills, self.folder, file, image)
            return made or file_in(self.folder, file)
        return file_in(self.folder, name) if name in snapshot.files else None

    def _read(self) -> _Snapshot:
        """Read the board, unless it is the same as before. Blocks."""
        key = (
            _stamp(self.folder / MANIFEST_NAME),
            _stamp(self.folder / REVIEW_NAME),
            0 if self._running is None else len(self._running.ended),
        )
        snapshot = self._snapshot
        if snapshot is None or snapshot.key != key:
            entries = {one.shot.id: one for one in read_manifest(self.folder / MANIFEST_NAME)}
            if self._running is not None:
                entries |= self._running.ended
            board = make_board(self.folder, entries.values(), read_review(self.folder))
            thumbnails = _list_thumbnails(board)
            files = frozenset(file for file, _ in thumbnails.values())
            self._snapshot = snapshot = _Snapshot(key, board, thumbnails, files)
        return snapshot

    def _live(self, board: Board) -> dict[str, Any]:
        return {
            "running": self.progress(),
            "why_not": self.options.why_not,
            "references": self._stills.model(self._model_id(board)).reference_images_max,
        }

    def _model_id(self, board: Board) -> str | None:
        return self.options.model_id or find_model_id(board)

    async def _change(self, change: Callable[[Board], Review]) -> dict[str, Any]:
        """Change the review under its lock; return the shots that are different now."""

        def run() -> tuple[Review, Review]:
            shots = self._read().board.shots
            entries = [take.entry for shot in shots for take in shot.takes]
            before: list[Review] = []

            def apply(review: Review) -> Review:
                before.append(review)
                return change(make_board(self.folder, entries, review))

            return change_review(self.folder, apply), before[0]

        after, before = await asyncio.to_thread(run)
        changed = {
            shot_id: as_members(after.of(shot_id))
            for shot_id in {*before.shots, *after.shots}
            if before.of(shot_id) != after.of(shot_id)
        }
        told = {
            "shots": changed,
            "undo": after.undo[-1].what if after.undo else None,
            "undone": before.undo[-1].what if len(after.undo) < len(before.undo) else None,
        }
        self.tell("review", told)
        if self._recording is None or self._recording.done():
            self._recording = asyncio.create_task(self._record())
        return told

    async def _watch(self) -> None:
        """Tell all pages when another process has changed the review."""
        path = self.folder / REVIEW_NAME
        seen = await asyncio.to_thread(_stamp, path)
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            stamp = await asyncio.to_thread(_stamp, path)
            if stamp != seen and self._listeners:
                with suppress(StillsError):  # it is shown by the next request of a page
                    self.tell("state", await self.state())
            seen = stamp

    async def _record(self) -> None:
        """Write decisions to the manifest and the page, several at once."""
        await asyncio.sleep(_RECORD_SECONDS)
        if self._running is None:
            await asyncio.to_thread(record_unless_running, self.folder)

    def _describe(self, plan: RetakePlan, estimate: Estimate) -> dict[str, Any]:
        prices = {one.id: one.cost_usd for one in estimate.planned}
        requests = {one.id: one for shot in plan.requests.values() for one in shot}
        takes = [
            {
                "id": shot.id,
                "shot": shot.first_take,
                "like": requests[shot.id].based_on,
                "seed": shot.request.seed,
                "has_other_prompt": requests[shot.id].prompt is not None,
                "price": _price(prices[shot.id]) if shot.id in prices else "stored already",
            }
            for _, shot in plan.retakes
            if shot.id not in plan.left_out
        ]
        problems = [
            {"id": one.shot_id, "message": f"{one.message.rstrip('.')}. {one.action}"}
            for one in plan.problems
        ]
        cap_usd = plan.options.max_cost_usd
        known = sum(price for price in prices.values() if price is not None)
        return {
            "takes": takes,
            "problems": problems,
            "cost": format_amount(known, estimate.unpriced),
            "new": estimate.new,
            "cap": None if cap_usd is None else format_usd(cap_usd),
            "model": plan.options.model.id,
            "why_not": self.options.why_not,
        }

    async def _plan(self, max_cost_usd: float | None) -> tuple[RetakePlan, Estimate]:
        board = await self.read_board()
        caps = [cap for cap in (self.options.max_cost_usd, max_cost_usd) if cap is not None]
        options = BatchOptions(
            model=self._stills.model(self._model_id(board)),
            max_cost_usd=min(caps, default=None),
        )
        made = await asyncio.to_thread(plan_retakes, board, options)
        estimate, made = await make_estimate(self._stills, made, self.folder)
        return made, estimate

    def _on_outcome(self, outcome: Outcome, file: str | None) -> None:
        running = self._running
        if running is None or (outcome.result is None and outcome.error is None):
            return
        entry = ManifestEntry.of(outcome, file)
        running.ended[entry.shot.id] = entry
        running.failed += outcome.error is not None
        self.tell("take", {"shot": entry.shot.first_take, "running": self.progress()})

    async def _generate(
        self, plan: RetakePlan, output: RunOutput, payer: BudgetOwner | None
    ) -> None:
        assert self._running is not None  # noqa: S101 - set just before
        run = Run(self._stills, plan, output, self._running.stop, payer=payer)
        ended: dict[str, Any] = {}
        try:
            try:
                await run.generate()
            finally:
                run.add_pending()
                await asyncio.to_thread(output.close)
                await asyncio.to_thread(end_run, self.folder, plan.title)
        except StillsError as error:
            ended["error"] = describe(error)
        finally:
            totals = output.totals
            self._running = None
            ended |= {
                "made": totals.made,
                "failed": totals.failed,
                "pending": totals.pending,
                "billed": format_amount(totals.usd, totals.unpriced),
                "possible": totals.possible,
                "stopped_because": run.early_stop.reason,
            }
            self.tell("ended", ended)


def _price(price_usd: float | None) -> str:
    return "unknown price" if price_usd is None else format_usd(price_usd)


def _read_cap(given: object) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidRequest(
            "max_cost_usd is not a number", field="max_cost_usd", action="Give US dollars."
        )
    check_max_cost(float(given))
    return float(given)


def _list_thumbnails(board: Board) -> Mapping[str, tuple[str, str]]:
    listed = {
        thumbnail_file(take.entry): (take.entry.file or "", image_of(take.entry))
        for shot in board.shots
        for take in shot.takes
        if take.has_image
    }
    owns = [shot.review.own for shot in board.shots if shot.review.own is not None]
    return listed | {thumbnail_file(own.digest): (own.file, own.digest) for own in owns}


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
