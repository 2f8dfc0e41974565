"""The contact sheet: `index.html`, a single page that opens from disk and needs no network."""

import shutil
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import IO
from urllib.parse import quote

from stills.batch.image_files import ImageNames, file_in
from stills.batch.manifest_entry import ManifestEntry, Status
from stills.batch.totals import RunTotals
from stills.contract.atomic_file import replace_atomically
from stills.contract.errors import Billing
from stills.contract.money import format_usd
from stills.contract.outcome import Failure
from stills.contract.providers import is_paid
from stills.contract.result import ImageResult
from stills.shotlist.shots import ShotReference

CONTACT_SHEET_NAME = "index.html"

_ALT_MAX_CHARACTERS = 300
_REFERENCE_MAX_CHARACTERS = 60
_MONEY = {Billing.NONE: "", Billing.POSSIBLE: " Possibly billed.", Billing.BILLED: " Billed."}
_INTERRUPTED = {Billing.POSSIBLE: "possibly billed", Billing.BILLED: "billed"}
_FRAMES_GO_HERE = "$frames"


def write_contact_sheet(
    folder: Path,
    title: str,
    entries: Iterable[ManifestEntry],
    totals: RunTotals,
    names: ImageNames,
) -> Path:
    """Write the contact sheet of a batch to its folder, and return its path.

    `names` are those of the image files. Memory stays constant for any number of entries. Blocks.

    Raises:
        OutputRefused: it can't be written.
    """
    path = folder / CONTACT_SHEET_NAME
    with replace_atomically(path) as part, tempfile.TemporaryFile(dir=folder) as frames:
        counts = _write_frames(frames, entries, _Thumbnails(folder, names))
        head, tail = _page(title, counts, totals)
        frames.seek(0)
        with part.open("xb") as page:
            page.write(head)
            shutil.copyfileobj(frames, page)
            page.write(tail)
    return path


@dataclass(slots=True)
class _ShotCounts:
    """The numbers of shots and images at the top of the page."""

    shots: int = 0
    images: int = 0
    done: int = 0
    from_catalog: int = 0
    failed: int = 0
    not_started: int = 0
    interrupted: int = 0

    def add(self, entry: ManifestEntry) -> None:
        self.shots += entry.shot.take_of is None
        self.images += 1
        self.done += entry.status is Status.DONE
        self.failed += entry.status is Status.FAILED
        if entry.status is Status.PENDING:
            self.interrupted += _is_interrupted(entry)
            self.not_started += not _is_interrupted(entry)
        if entry.result is not None:
            self.from_catalog += entry.status is Status.DONE and entry.result.cached

    def as_html(self, totals: RunTotals) -> str:
        spent = "spent (simulated)" if totals.simulated else "spent"
        numbers = [
            ("shots", "", f"{self.shots}"),
            ("images", "", f"{self.images}" if self.images > self.shots else ""),
            ("done", "", f"{self.done}"),
            ("from the catalog", "", f"{self.from_catalog}"),
            ("failed", "failed", f"{self.failed}" if self.failed else ""),
            ("interrupted", "", f"{self.interrupted}" if self.interrupted else ""),
            ("not started", "", f"{self.not_started}" if self.not_started else ""),
            (spent, "", format_usd(totals.usd)),
            ("unknown price", "", f"+ {totals.unpriced}" if totals.unpriced else ""),
            ("possibly billed", "", f"+ {totals.possible}" if totals.possible else ""),
        ]
        return "\n".join(
            f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>'
            for name, kind, value in numbers
            if value
        )


class _Thumbnails:
    """Finds the images of shots that are references."""

    def __init__(self, folder: Path, names: ImageNames) -> None:
        self._folder = folder
        self._names = names

    def as_html(self, references: Sequence[ShotReference]) -> str:
        """List references in order: their image if it is in the folder, and what it shows."""
        if not references:
            return ""
        items = "".join(f"<li>{self._image(one)}{self._name(one)}</li>" for one in references)
        return f'<ol class="references" aria-label="References">{items}</ol>'

    def _image(self, reference: ShotReference) -> str:
        if reference.shot is None:
            return ""
        file = self._names.path(reference.shot)
        if not file_in(self._folder, file).is_file():
            return ""
        address = _address(file)
        return (
            f'<a href="{address}" target="_blank" rel="noopener">'
            f'<img src="{address}" alt="{escape(reference.shot)}" loading="lazy" decoding="async">'
            "</a>"
        )

    def _name(self, reference: ShotReference) -> str:
        file = str(reference.image).rpartition("/")[2]
        name = reference.label or reference.shot or file or str(reference.image)
        return f"<span data-search>{escape(name[:_REFERENCE_MAX_CHARACTERS])}</span>"


def _write_frames(
    frames: IO[bytes], entries: Iterable[ManifestEntry], thumbnails: _Thumbnails
) -> _ShotCounts:
    counts = _ShotCounts()
    for number, entry in enumerate(entries, start=1):
        counts.add(entry)
        frames.write(_bytes(_frame(number, entry, thumbnails)))
    return counts


def _page(title: str, counts: _ShotCounts, totals: RunTotals) -> tuple[bytes, bytes]:
    """Return the page before and after its frames."""
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
        "totals": counts.as_html(totals),
        "count": str(counts.images),
    }
    head, _, tail = _resource("page.html").partition(_FRAMES_GO_HERE)
    return _bytes(Template(head).substitute(values)), _bytes(Template(tail).substitute(values))


def _resource(name: str) -> str:
    return files("stills.batch.contact_sheet").joinpath(name).read_text(encoding="utf-8")


def _source(inline: str) -> str:
    """Return an inline block's hash for the page's security policy, which allows no other."""
    return f"'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'"


def _bytes(html: str) -> bytes:
    return html.encode("utf-8", "replace")  # a lone surrogate has no bytes


def _frame(number: int, entry: ManifestEntry, thumbnails: _Thumbnails) -> str:
    return (
        f'<li class="frame {entry.status}"><figure>\n'
        f"{_film(number, entry)}\n"
        f"<figcaption>{_name(entry)}"
        f'<p class="prompt" data-search>{escape(entry.shot.request.prompt)}</p>'
        f"{thumbnails.as_html(entry.shot.references)}"
        f"{_error(entry.failure)}{_details(entry)}</figcaption>\n"
        "</figure></li>\n"
    )


def _film(number: int, entry: ManifestEntry) -> str:
    edge = (
        f'<span class="edge" aria-hidden="true"><span>{number}</span>'
        f"<span>▸ {number}A</span></span>"
    )
    if entry.result is None or entry.file is None:
        reason = _no_image(entry)
        return f'<div class="film"><div class="picture"><span>{reason}</span></div>{edge}</div>'
    address = _address(entry.file)
    alt = f"{entry.shot.id}: {entry.shot.request.prompt}"[:_ALT_MAX_CHARACTERS]
    return (
        f'<a class="film" href="{address}"><div class="picture">'
        f'<img src="{address}" alt="{escape(alt)}" width="{entry.result.width}" '
        f'height="{entry.result.height}" loading="lazy" decoding="async"></div>{edge}</a>'
    )


def _address(file: str) -> str:
    # ./ makes it a path in this folder, whatever the name contains.
    return escape("./" + quote(file, errors="replace"))


def _no_image(entry: ManifestEntry) -> str:
    if entry.failure is not None:
        return escape(entry.failure.code)
    return _pending(entry) if entry.result is None else "no file"


def _name(entry: ManifestEntry) -> str:
    tags = [f'<span class="tag status" data-search>{_status(entry)}</span>']
    if entry.shot.is_portrait:
        tags.append('<span class="tag" data-search>portrait</span>')
    if entry.shot.take_of is not None:
        tags.append(f'<span class="tag" data-search>take {entry.shot.take}</span>')
    identifier = f"<h2 data-search>{escape(entry.shot.id)}</h2>"
    return f'<div class="name">{identifier}{"".join(tags)}</div>'


def _status(entry: ManifestEntry) -> str:
    if entry.status is Status.DONE and entry.result is not None and entry.result.cached:
        return "done · from catalog"
    if entry.failure is not None and entry.failure.billing is Billing.POSSIBLE:
        return "failed · unknown outcome"
    return _pending(entry) if entry.status is Status.PENDING else entry.status.value


def _pending(entry: ManifestEntry) -> str:
    return "interrupted" if _is_interrupted(entry) else "not started"


def _is_interrupted(entry: ManifestEntry) -> bool:
    return entry.billing in _INTERRUPTED


def _error(failure: Failure | None) -> str:
    if failure is None:
        return ""
    request_id = f" Request id {failure.request_id}." if failure.request_id else ""
    text = escape(
        f"{failure.message.rstrip('.')}. {failure.action}{_MONEY[failure.billing]}{request_id}"
    )
    return f'<p class="error"><code data-search>{escape(failure.code)}</code> {text}</p>'


def _details(entry: ManifestEntry) -> str:
    """List the details of a shot: the grid shows the first few, the full-size view all."""
    shot, request, result = entry.shot, entry.shot.request, entry.result
    main: dict[str, object] = {"size": request.size, "seed": request.seed}
    if _is_interrupted(entry):
        main["cost"] = _INTERRUPTED[entry.billing]
    more: dict[str, object] = {
        "style": request.style,
        "negative prompt": request.negative_prompt,
        "references": ", ".join(str(one.image or one.shot) for one in shot.references),
        "seconds": shot.duration_seconds,
        "source": shot.source,
    }
    if result is not None:
        size = f"{result.width}*{result.height}"
        main = {"size": size, "seed": result.seed, "cost": _cost(result)}
        more |= {
            "native size": result.native_size,
            "model": f"{result.provider} {result.model}",
            "image id": result.id,
            "notes": " ".join(result.notes),
        }
    return f'<dl class="details">{_pairs(main)}{_pairs(more, kind="more")}</dl>'


def _pairs(details: dict[str, object], *, kind: str = "") -> str:
    return "".join(
        f'<div class="{kind or name}"><dt>{name}</dt><dd>{escape(str(value))}</dd></div>'
        for name, value in details.items()
        if value not in {None, ""}
    )


def _cost(result: ImageResult) -> str:
    if result.cost_usd is None:
        return "unknown"
    note = " (simulated)" if not is_paid(result.provider) else ""
    return f"{format_usd(result.cost_usd)}{note}"
