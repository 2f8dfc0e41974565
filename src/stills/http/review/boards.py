"""The boards that `stills serve` shows at /review/NAME/, by the names of their folders."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.routing import BaseRoute

from stills.app import Stills
from stills.contract.errors import ConfigError
from stills.http.review.routes import ReviewRoutes
from stills.http.review.session import ReviewOptions, ReviewSession
from stills.review.board import read_board
from stills.review.record import record_unless_running
from stills.review.review_file import change_review

PREFIX = "/review/"

_GRACE_SECONDS = 30.0
"""How long a stop waits for takes that were sent; later, `stills recover` finishes them."""


def check_boards(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Check that folders are boards whose names can be part of an address. Blocks.

    Raises:
        InvalidRequest: a folder has no manifest, or can't be read.
        ConfigError: a name can't be used.
    """
    names: set[str] = set()
    for folder in folders:
        read_board(folder)
        name = _name(folder)
        if not name or set(name) & set("{}/\\") or name in names:
            raise ConfigError(
                f"the name of the folder {folder} can't be used in an address",
                field="review",
                action="Give folders with different names without braces.",
            )
        names.add(name)
    return tuple(folders)


@asynccontextmanager
async def open_boards(
    folders: Sequence[Path], *, sandbox: bool
) -> AsyncIterator[Sequence[BaseRoute]]:
    """Open the boards, and yield their routes.

    Their references are files of their folders, so they have a Stills that may read those; no
    caller can name an address to it.
    """
    routes: list[BaseRoute] = []
    async with Stills.from_env(sandbox=sandbox) as stills:
        sessions = []
        for folder in folders:
            change_review(folder, lambda review: review)  # gives the board its id
            record_unless_running(folder)
            session = ReviewSession(stills, ReviewOptions(folder, allows_urls=False))
            session.start()
            sessions.append(session)
            answers = ReviewRoutes(f"{PREFIX}{_name(folder)}/")
            answers.session = session
            routes += answers.list()
        try:
            yield routes
        finally:
            for session in sessions:
                await session.close(seconds=_GRACE_SECONDS)


def _name(folder: Path) -> str:
    return folder.resolve().name
