"""The contact sheet: `index.html`, one page that opens from the file system and asks nobody."""

import shutil
import tempfile
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import IO
from urllib.parse import quote

from stills.batch.manifest_entry import Failure, ManifestEntry, Status
from stills.batch.totals import RunTotals
from stills.contract.atomic_file import replace_atomically
from stills.contract.errors import Billing
from stills.contract.money import format_usd
from stills.contract.result import ImageResult

CONTACT_SHEET_NAME = "index.html"

_ALT_MAX_CHARACTERS = 300
_MONEY = {Billing.NONE: "", Billing.POSSIBLE: " Possibly billed.", Billing.BILLED: " Billed."}
_CUT_OFF = {Billing.POSSIBLE: "possibly billed", Billing.BILLED: "billed"}
_SANDBOX = "sandbox"
_FRAMES_GO_HERE = "$frames"


def write_contact_sheet(
    folder: Path, title: str, entries: Iterable[ManifestEntry], tally: RunTotals
) -> Path:
    """Write the sheet of a batch into its folder, and give its path.

    Memory stays flat however many entries there are. Not for the event loop.

    Raises:
        OutputRefused: it can't be written.
    """
    path = folder / CONTACT_SHEET_NAME
    with replace_atomically(path) as part, tempfile.TemporaryFile(dir=folder) as frames:
        totals = _write_frames(frames, entries)
        head, tail = _page(title, totals, tally)
        frames.seek(0)
        with part.open("xb") as page:
            page.write(head)
            shutil.copyfileobj(frames, page)
            page.write(tail)
    return path


@dataclass(slots=True)
class _Totals:
    """What the top of the page says of shots."""

    shots: int = 0
    done: int = 0
    from_catalog: int = 0
    failed: int = 0
    not_reached: int = 0
    cut_off: int = 0

    def add(self, entry: ManifestEntry) -> None:
        self.shots += 1
        self.done += entry.status is Status.DONE
        self.failed += entry.status is Status.FAILED
        if entry.status is Status.PENDING:
            self.cut_off += _is_cut_off(entry)
            self.not_reached += not _is_cut_off(entry)
        if entry.result is not None:
            self.from_catalog += entry.status is Status.DONE and entry.result.cached

    def as_html(self, tally: RunTotals) -> str:
        kind_of_money = "play money" if tally.play_money else "spent"
        facts = [
            ("shots", "", f"{self.shots}"),
            ("done", "", f"{self.done}"),
            ("from the catalog", "", f"{self.from_catalog}"),
            ("failed", "failed", f"{self.failed}" if self.failed else ""),
            ("cut off", "", f"{self.cut_off}" if self.cut_off else ""),
            ("not reached", "", f"{self.not_reached}" if self.not_reached else ""),
            (kind_of_money, "", format_usd(tally.usd)),
            ("of unknown price", "", f"{tally.unpriced}" if tally.unpriced else ""),
            ("possibly billed", "", f"+ {tally.possible}" if tally.possible else ""),
        ]
        return "\n".join(
            f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>'
            for name, kind, value in facts
            if value
        )


def _write_frames(frames: IO[bytes], entries: Iterable[ManifestEntry]) -> _Totals:
    totals = _Totals()
    for number, entry in enumerate(entries, start=1):
        totals.add(entry)
        frames.write(_bytes(_frame(number, entry)))
    return totals


def _page(title: str, totals: _Totals, tally: RunTotals) -> tuple[bytes, bytes]:
    """Fill in the page around the frames."""
    style, script = _resource("page.css"), _resource("page.js")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file:; "
        f"style-src {_source(style)}; script-src {_source(script)}"
    )
    values = {
        "policy": policy,
        "title": escape(title),
        "style": style,
        "script": script,
        "totals": totals.as_html(tally),
        "count": str(totals.shots),
    }
    head, _, tail = _resource("page.html").partition(_FRAMES_GO_HERE)
    return _bytes(Template(head).substitute(values)), _bytes(Template(tail).substitute(values))


def _resource(name: str) -> str:
    return files("stills.batch.contact_sheet").joinpath(name).read_text(encoding="utf-8")


def _source(inline: str) -> str:
    """Name one inline block for the page's security policy, which lets no other one run."""
    return f"'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'"


def _bytes(html: str) -> bytes:
    return html.encode("utf-8", "replace")  # half a surrogate pair has no bytes


def _frame(number: int, entry: ManifestEntry) -> str:
    return (
        f'<li class="frame {entry.status}"><figure>\n'
        f"{_film(number, entry)}\n"
        f"<figcaption>{_name(entry)}"
        f'<p class="prompt" data-search>{escape(entry.shot.request.prompt)}</p>'
        f"{_error(entry.failure)}{_facts(entry)}</figcaption>\n"
        "</figure></li>\n"
    )


def _film(number: int, entry: ManifestEntry) -> str:
    edge = (
        f'<span class="edge" aria-hidden="true"><span>{number}</span>'
        f"<span>▸ {number}A</span></span>"
    )
    if entry.result is None or entry.file is None:
        words = _unexposed(entry)
        return f'<div class="film"><div class="gate"><span>{words}</span></div>{edge}</div>'
    # What begins with ./ is in this folder, whatever the name is.
    address = "./" + quote(entry.file, errors="replace")
    alt = f"{entry.shot.id}: {entry.shot.request.prompt}"[:_ALT_MAX_CHARACTERS]
    return (
        f'<a class="film" href="{escape(address)}"><div class="gate">'
        f'<img src="{escape(address)}" alt="{escape(alt)}" width="{entry.result.width}" '
        f'height="{entry.result.height}" loading="lazy" decoding="async"></div>{edge}</a>'
    )


def _unexposed(entry: ManifestEntry) -> str:
    if entry.failure is not None:
        return escape(entry.failure.code)
    return _pending(entry) if entry.result is None else "no file here"


def _name(entry: ManifestEntry) -> str:
    tags = [f'<span class="tag status" data-search>{_status(entry)}</span>']
    if entry.shot.is_portrait:
        tags.append('<span class="tag" data-search>portrait</span>')
    identifier = f"<h2 data-search>{escape(entry.shot.id)}</h2>"
    return f'<div class="name">{identifier}{"".join(tags)}</div>'


def _status(entry: ManifestEntry) -> str:
    if entry.status is Status.DONE and entry.result is not None and entry.result.cached:
        return "done · from catalog"
    if entry.failure is not None and entry.failure.billing is Billing.POSSIBLE:
        return "failed · unknown outcome"
    return _pending(entry) if entry.status is Status.PENDING else entry.status.value


def _pending(entry: ManifestEntry) -> str:
    return "cut off" if _is_cut_off(entry) else "not reached"


def _is_cut_off(entry: ManifestEntry) -> bool:
    return entry.billing in _CUT_OFF


def _error(failure: Failure | None) -> str:
    if failure is None:
        return ""
    request_id = f" Request id {failure.request_id}." if failure.request_id else ""
    text = escape(
        f"{failure.message.rstrip('.')}. {failure.action}{_MONEY[failure.billing]}{request_id}"
    )
    return f'<p class="error"><code data-search>{escape(failure.code)}</code> {text}</p>'


def _facts(entry: ManifestEntry) -> str:
    """List what is known; the grid shows the first ones, the full size all."""
    shot, request, result = entry.shot, entry.shot.request, entry.result
    facts: dict[str, object] = {"size": request.size, "seed": request.seed}
    if _is_cut_off(entry):
        facts["cost"] = _CUT_OFF[entry.billing]
    more: dict[str, object] = {
        "style": request.style,
        "not": request.negative_prompt,
        "reference": request.reference_image,
        "with": ", ".join(shot.needs),
        "seconds": shot.duration_seconds,
        "from": shot.source,
    }
    if result is not None:
        size = f"{result.width}*{result.height}"
        facts = {"size": size, "seed": result.seed, "cost": _cost(result)}
        more |= {
            "made at": result.native_size,
            "by": f"{result.provider} {result.model}",
            "image": result.id,
            "note": " ".join(result.notes),
        }
    return f'<dl class="facts">{_pairs(facts)}{_pairs(more, also="more")}</dl>'


def _pairs(facts: dict[str, object], *, also: str = "") -> str:
    return "".join(
        f'<div class="{also or name}"><dt>{name}</dt><dd>{escape(str(value))}</dd></div>'
        for name, value in facts.items()
        if value not in {None, ""}
    )


def _cost(result: ImageResult) -> str:
    if result.cost_usd is None:
        return "unknown"
    play = " play money" if result.provider == _SANDBOX else ""
    return f"{format_usd(result.cost_usd)}{play}"
