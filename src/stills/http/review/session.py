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
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.output import RunOutput
from stills.batch.preflight import BatchOptions
from stills.batch.run import Run
from stills.batch.thumbnails import make_thumbnail
from stills.contract.access import BudgetOwner
from stills.contract.errors import Conflict, InvalidRequest, StillsError
from stills.contract.money import format_amount
from stills.http.errors import describe
from stills.http.review.plan_text import describe_plan, read_cap
from stills.http.review.snapshot import BoardReader, Snapshot, stamp
from stills.review import actions, marking
from stills.review.board import Board
from stills.review.own_picture import keep_own_picture
from stills.review.page.document import make_state, render_page, render_totals
from stills.review.page.shots import ShotRenderer
from stills.review.record import end_run, record_unless_running
from stills.review.records import Review
from stills.review.retake_plan import RetakePlan, confirm_requests, find_model_id, plan_retakes
from stills.review.review_file import change_review, now
from stills.review.review_json import as_members
from stills.shotlist.shots import Outcome

Events = asyncio.Queue[tuple[str, Mapping[str, Any]] | None]

_EVENTS_MAX = 1000
_RECORD_SECONDS = 5.0
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
        self._reader = BoardReader(options.folder)
        self._starting = asyncio.Lock()
        self._running: _Running | None = None
        self._generating: asyncio.Task[None] | None = None
        self._recording: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch the review for changes by other processes."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self, *, seconds: float | None = None) -> None:
        """End the streams of events, finish what was sent, and write what was decided.

        After `seconds`, if given, what is not finished is left to be resumed.
        """
        self.end_streams()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self.stop()
        if self._generating is not None:
            await asyncio.wait([self._generating], timeout=seconds)
            self._generating.cancel()  # does nothing if it is done
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
        return await asyncio.to_thread(
            ShotRenderer(board, is_live=True).render, board.find(shot_id)
        )

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
        return describe_plan(*await self._plan(max_cost_usd), self.options.why_not)

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
                raise Conflict("a run is in progress", action="Wait for its end, or stop it.")
            made, estimate = await self._plan(read_cap(shown.get("max_cost_usd")))
            plan = describe_plan(made, estimate, self.options.why_not)
            if any(shown.get(name) != plan[name] for name in ("takes", "cost")):
                raise Conflict(
                    "the review or a price has changed since it was shown",
                    action="Nothing was sent. Look at the plan again.",
                )
            if not plan["takes"]:
                raise InvalidRequest(
                    "no take was asked for", action="Ask for a take, or reject one."
                )
            check_cost(estimate, made.options)
            await asyncio.to_thread(confirm_requests, made)
            output = RunOutput(self.folder, made.names, self._on_outcome)
            stop = asyncio.Event()
            run = Run(self._stills, made, output, stop, payer=payer)
            self._running = _Running(stop, len(plan["takes"]), {})
            self._generating = asyncio.create_task(self._generate(run, made.title, output))
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

    def _read(self) -> Snapshot:
        return self._reader.read({} if self._running is None else dict(self._running.ended))

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
            board = self._read().board
            before: list[Review] = []

            def apply(review: Review) -> Review:
                before.append(review)
                return change(board.with_review(review))

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
        seen = await asyncio.to_thread(stamp, path)
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            found = await asyncio.to_thread(stamp, path)
            if found != seen and self._listeners:
                with suppress(StillsError):  # it is shown by the next request of a page
                    self.tell("state", await self.state())
            seen = found

    async def _record(self) -> None:
        """Write decisions to the manifest and the page, several at once."""
        await asyncio.sleep(_RECORD_SECONDS)
        if self._running is None:
            await asyncio.to_thread(record_unless_running, self.folder)

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

    async def _generate(self, run: Run, title: str, output: RunOutput) -> None:
        ended: dict[str, Any] = {}
        try:
            try:
                await run.generate()
            finally:
                run.add_pending()
                await asyncio.to_thread(output.close)
                await asyncio.to_thread(end_run, self.folder, title)
                ended["totals"] = render_totals(await self.read_board())
        except StillsError as error:
            ended["error"] = describe(error)
        except Exception:
            ended["error"] = "Something failed in this program; what was paid for is stored."
            raise
        finally:
            totals = output.totals
            self._running = None
            ended |= {
                "made": totals.made,
                "failed": totals.failed,
                "pending": totals.pending,
                "billed": format_amount(totals.usd, totals.unpriced)
                + (" (simulated)" if totals.simulated else ""),
                "possible": totals.possible,
                "stopped_because": run.early_stop.reason,
            }
            self.tell("ended", ended)
