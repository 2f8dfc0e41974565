"""The page as a whole: `index.html`, which opens from disk, and the page of `stills review`.

It needs no network. Its security policy allows only its own style and script, by their hashes.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from html import escape, unescape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from stills.batch.image_files import CONTACT_SHEET_NAME
from stills.batch.manifest_entry import ManifestEntry, ReviewMark, Status
from stills.contract.atomic_file import replace_atomically
from stills.contract.errors import Billing
from stills.contract.money import add_usd, format_usd
from stills.contract.providers import is_paid
from stills.review.board import Board, read_board
from stills.review.page.shots import ShotRenderer, is_interrupted
from stills.review.review_json import as_members

_ALWAYS = ("board.js", "sheet.js", "loupe.js", "forms.js")


def write_page(folder: Path) -> Path:
    """Write the page of a folder, and return its path. Blocks.

    Raises:
        InvalidRequest: the manifest or the review can't be read.
        OutputRefused: the page can't be written.
    """
    path = folder / CONTACT_SHEET_NAME
    page = render_page(read_board(folder))
    with replace_atomically(path) as part:
        part.write_bytes(page)
    return path


def render_page(board: Board, live: dict[str, Any] | None = None) -> bytes:
    """Return the page of a board; `live` is what a page needs that talks to a server."""
    renderer = ShotRenderer(board, is_live=live is not None)
    portraits = [shot for shot in board.shots if shot.is_portrait]
    shots = [shot for shot in board.shots if not shot.is_portrait]
    script = "\n".join(map(_resource, (*_ALWAYS, "file.js" if live is None else "live.js")))
    script = f'"use strict";\n{script}'
    style = "".join(map(_resource, ("film.css", "page.css", "loupe.css")))
    values = {
        "policy": escape(make_policy(style, script, is_live=live is not None)),
        "title": escape(board.title),
        "kind": "Contact sheet" if live is None else "Review",
        "style": style,
        "script": script,
        "state": _as_data(make_state(board) | {"live": live}),
        "totals": render_totals(board),
        "cast": "".join(map(renderer.render, portraits)),
        "cast_hidden": "" if portraits else "hidden",
        "shots": "".join(map(renderer.render, shots)),
    }
    return Template(_resource("page.html")).substitute(values).encode("utf-8", "replace")


def make_state(board: Board) -> dict[str, Any]:
    """Return what the page's script knows about a board: its review as JSON members."""
    return {
        "board": board.review.board,
        "title": board.title,
        "shots": {shot_id: as_members(shot) for shot_id, shot in board.review.shots.items()},
        "undo": board.review.undo[-1].what if board.review.undo else None,
    }


def make_policy(style: str, script: str, *, is_live: bool) -> str:
    """Return the security policy of the page."""
    own = "'self' data:" if is_live else "'self' file: data:"
    connect = "connect-src 'self'; " if is_live else ""
    return (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src {own}; {connect}"
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )


def policy_of(page: bytes) -> str:
    """Return the security policy in a page, for the header of its answer, which adds to it."""
    found = re.search(rb'Content-Security-Policy" content="([^"]*)"', page)
    policy = unescape(found[1].decode()) if found else "default-src 'none'"
    return f"{policy}; frame-ancestors 'none'"


@dataclass(slots=True)
class _Counts:
    """The numbers at the top of the page."""

    images: int = 0
    from_catalog: int = 0
    failed: int = 0
    not_started: int = 0
    interrupted: int = 0
    usd: float = 0.0
    unpriced: int = 0
    possible: int = 0
    is_simulated: bool = False

    def add(self, entry: ManifestEntry) -> None:
        result, failure = entry.result, entry.failure
        self.images += entry.status is Status.DONE
        self.failed += entry.status is Status.FAILED
        if entry.status is Status.PENDING:
            self.interrupted += is_interrupted(entry)
            self.not_started += not is_interrupted(entry)
        billing = entry.billing if failure is None else failure.billing
        self.possible += billing is Billing.POSSIBLE
        if result is None:
            self.unpriced += billing is Billing.BILLED
            return
        self.from_catalog += entry.status is Status.DONE and result.cached
        self.is_simulated = self.is_simulated or not is_paid(result.provider)
        if result.cost_usd is None:
            self.unpriced += 1
        else:
            self.usd = add_usd(self.usd, result.cost_usd)


def render_totals(board: Board) -> str:
    """Return the numbers at the top of the page, as HTML."""
    shots = [shot for shot in board.shots if not shot.is_portrait]
    counts = _Counts()
    for entry in _entries(board):
        counts.add(entry)
    billed = "billed (simulated)" if counts.is_simulated else "billed"
    rejected = sum(take.mark is ReviewMark.REJECTED for shot in board.shots for take in shot.takes)
    waiting = sum(len(shot.waiting) for shot in board.shots)
    numbers = [
        ("shots", "shots", f"{len(shots)}"),
        ("images", "images", f"{counts.images}"),
        ("picked", "picked", f"{sum(shot.is_settled for shot in shots)}"),
        ("rejected", "rejected", f"{rejected}"),
        ("asked", "asked for", f"{waiting}"),
        ("catalog", "from the catalog", _unless_zero(counts.from_catalog)),
        ("failed", "failed", _unless_zero(counts.failed)),
        ("interrupted", "interrupted", _unless_zero(counts.interrupted)),
        ("pending", "not started", _unless_zero(counts.not_started)),
        ("money", billed, format_usd(counts.usd)),
        ("unpriced", "unknown price", _unless_zero(counts.unpriced, sign="+ ")),
        ("possible", "possibly billed", _unless_zero(counts.possible, sign="+ ")),
    ]
    return "\n".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>'
        for kind, name, value in numbers
        if value
    )


def _unless_zero(number: int, *, sign: str = "") -> str:
    return f"{sign}{number}" if number else ""


def _entries(board: Board) -> Iterable[ManifestEntry]:
    return (take.entry for shot in board.shots for take in shot.takes)


def _as_data(state: dict[str, Any]) -> str:
    """Return JSON for a data block: no `<` can end the block."""
    return json.dumps(state).replace("<", "\\u003c")


def _resource(name: str) -> str:
    return files("stills.review.page").joinpath(name).read_text(encoding="utf-8")


def _hash(inline: str) -> str:
    return f"'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'"
