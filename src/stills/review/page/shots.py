"""One shot on the page, as HTML: its takes side by side on a strip of film, and what it is."""

from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import quote

from stills.batch.image_files import file_in
from stills.batch.manifest_entry import ManifestEntry, Status
from stills.batch.thumbnails import thumbnail_file
from stills.contract.errors import Billing
from stills.contract.money import format_usd
from stills.contract.outcome import Failure
from stills.contract.providers import is_paid
from stills.contract.result import ImageResult
from stills.review.board import Board, BoardShot, BoardTake, image_of
from stills.review.records import OwnPicture
from stills.shotlist.shots import ShotReference

_ALT_MAX_CHARACTERS = 300
_REFERENCE_MAX_CHARACTERS = 60
_MONEY = {Billing.NONE: "", Billing.POSSIBLE: " Possibly billed.", Billing.BILLED: " Billed."}
_INTERRUPTED = {Billing.POSSIBLE: "possibly billed", Billing.BILLED: "billed"}


class ShotRenderer:
    """Writes the shots of one board.

    A file shows thumbnails that exist; a server makes those that are missing.
    """

    def __init__(self, board: Board, *, is_live: bool) -> None:
        self._is_live = is_live
        self._folder = board.folder
        self._files = _files_by_id(board)

    def render(self, shot: BoardShot) -> str:
        """Return a shot as a list item."""
        takes = "".join(self._take(shot, take) for take in shot.takes)
        own = self._own(shot, shot.review.own) if shot.review.own is not None else ""
        count = len(shot.takes) + bool(own)
        kind = " portrait" if shot.is_portrait else ""
        return (
            f'<li class="shot{kind}" data-shot="{escape(shot.id)}" data-takes="{count}">\n'
            f'<ol class="takes">{own}{takes}</ol>\n'
            f"{self._slate(shot)}\n</li>\n"
        )

    def _take(self, shot: BoardShot, take: BoardTake) -> str:
        entry = take.entry
        mark = f" {take.mark}" if take.mark is not None else ""
        image = f'data-image="{escape(image_of(entry))}" ' if take.has_image else ""
        head = (
            f'<li class="take {entry.status}{mark}" data-take="{escape(take.id)}" {image}'
            f'data-label="{take.label}" data-prompt="{escape(entry.shot.request.prompt)}">'
        )
        return (
            f"{head}{self._frame(shot, take)}"
            f'<div class="bar"><span class="which" data-search>{_name_take(take)}</span>'
            f"{_status_tag(entry)}</div>"
            f"{_own_prompt(shot, take)}{_error(entry.failure)}{_details(entry)}</li>\n"
        )

    def _frame(self, shot: BoardShot, take: BoardTake) -> str:
        entry = take.entry
        edge = _edge(shot.id, take.label)
        if not take.has_image or entry.file is None or entry.result is None:
            return (
                f'<div class="frame" tabindex="0"><div class="picture"><span>{_no_image(entry)}'
                f"</span></div>{edge}</div>"
            )
        alt = f"{take.id}: {entry.shot.written_prompt}"
        size = (entry.result.width, entry.result.height)
        return self._picture(entry.file, thumbnail_file(entry), alt, size, edge)

    def _has(self, thumbnail: str) -> bool:
        return self._is_live or (self._folder / thumbnail).is_file()

    def _own(self, shot: BoardShot, own: OwnPicture) -> str:
        edge = _edge(shot.id, "own")
        thumbnail = thumbnail_file(own.digest)
        picture = self._picture(
            own.file, thumbnail, f"{shot.id}: {own.name}", (own.width, own.height), edge
        )
        details = {"size": f"{own.width}*{own.height}", "file": own.name}
        return (
            f'<li class="take own picked" data-label="own">{picture}<div class="bar">'
            f'<span class="which" data-search>own picture</span></div>'
            f'<dl class="details">{_pairs(details)}</dl></li>\n'
        )

    def _picture(
        self, file: str, thumbnail: str, alt: str, size: tuple[int, int], edge: str
    ) -> str:
        address = as_address(file)
        shown = as_address(thumbnail) if self._has(thumbnail) else address
        return (
            f'<a class="frame" href="{address}"><div class="picture">'
            f'<img src="{shown}" alt="{escape(alt[:_ALT_MAX_CHARACTERS])}" width="{size[0]}" '
            f'height="{size[1]}" loading="lazy" decoding="async"></div>{edge}</a>'
        )

    def _slate(self, shot: BoardShot) -> str:
        first = shot.takes[0].entry
        seconds = first.shot.duration_seconds
        length = f'<span class="seconds">{seconds:g} s</span>' if seconds else ""
        source = f'<span class="source">{escape(first.shot.source)}</span>'
        comments = "".join(
            f'<li data-search>{escape(one.text)}<span class="by">{escape(one.by or "")}</span></li>'
            for one in shot.review.comments
        )
        kind = '<span class="tag" data-search>portrait</span>' if shot.is_portrait else ""
        return (
            f'<div class="slate"><div class="name"><h2 data-search>{escape(shot.id)}</h2>'
            f'{kind}<span class="tag decision" data-search></span>{length}{source}</div>'
            f'<p class="prompt" data-search dir="auto">{escape(first.shot.written_prompt)}</p>'
            f"{_dialogue(first.shot.dialogue)}{self._references(first.shot.references)}"
            f'<ul class="comments">{comments}</ul></div>'
        )

    def _references(self, references: Iterable[ShotReference]) -> str:
        items = "".join(f"<li>{self._image(one)}{_reference_name(one)}</li>" for one in references)
        return f'<ol class="references" aria-label="References">{items}</ol>' if items else ""

    def _image(self, reference: ShotReference) -> str:
        found = self._files.get(reference.shot or "")
        if found is None or not file_in(self._folder, found[0]).is_file():
            return ""
        file, thumbnail = found
        shown = thumbnail if self._has(thumbnail) else file
        return (
            f'<a href="{as_address(file)}" target="_blank" rel="noopener"><img '
            f'src="{as_address(shown)}" alt="{escape(reference.shot or "")}" '
            'loading="lazy" decoding="async"></a>'
        )


def as_address(file: str) -> str:
    """Return the address of a file of the folder; `./` makes it a path, whatever its name is."""
    return escape("./" + quote(file, errors="replace"))


def is_interrupted(entry: ManifestEntry) -> bool:
    """Return whether a pending shot's request was interrupted, and may be billed."""
    return entry.status is Status.PENDING and entry.billing in _INTERRUPTED


def _files_by_id(board: Board) -> Mapping[str, tuple[str, str]]:
    """Return the file and the thumbnail of each take by its id."""
    return {
        take.id: (take.entry.file, thumbnail_file(take.entry))
        for shot in board.shots
        for take in shot.takes
        if take.has_image and take.entry.file is not None
    }


def _edge(shot_id: str, label: str) -> str:
    """Return the numbers on the film's edge: the shot's own id, and its take."""
    shot_id = escape(shot_id)
    return (
        f'<span class="edge" aria-hidden="true"><span>{shot_id}</span><span>▸ {label}</span></span>'
    )


def _no_image(entry: ManifestEntry) -> str:
    if entry.failure is not None:
        return escape(entry.failure.code)
    if entry.status is Status.PENDING:
        return "interrupted" if is_interrupted(entry) else "not started"
    return "no file"


def _name_take(take: BoardTake) -> str:
    return f"retake {take.label[1:]}" if take.entry.shot.is_retake else f"take {take.label}"


def _status_tag(entry: ManifestEntry) -> str:
    text = ""
    if entry.status is Status.DONE and entry.result is not None:
        text = "from catalog" if entry.result.cached else ""
    elif entry.failure is not None:
        is_unknown = entry.failure.billing is Billing.POSSIBLE
        text = "failed · unknown outcome" if is_unknown else "failed"
    else:
        text = "interrupted" if is_interrupted(entry) else "not started"
    return f'<span class="tag status" data-search>{text}</span>' if text else ""


def _own_prompt(shot: BoardShot, take: BoardTake) -> str:
    """Return the prompt of a take that has another than its shot."""
    prompt = take.entry.shot.written_prompt
    if prompt == shot.takes[0].entry.shot.written_prompt:
        return ""
    return f'<p class="changed" data-search dir="auto">{escape(prompt)}</p>'


def _dialogue(dialogue: str | None) -> str:
    if dialogue is None:
        return ""
    return f'<p class="dialogue" data-search dir="auto">{escape(dialogue)}</p>'


def _reference_name(reference: ShotReference) -> str:
    file = str(reference.image).rpartition("/")[2]
    name = reference.label or reference.shot or file or str(reference.image)
    return f"<span data-search>{escape(name[:_REFERENCE_MAX_CHARACTERS])}</span>"


def _error(failure: Failure | None) -> str:
    if failure is None:
        return ""
    request_id = f" Request id {failure.request_id}." if failure.request_id else ""
    text = escape(
        f"{failure.message.rstrip('.')}. {failure.action}{_MONEY[failure.billing]}{request_id}"
    )
    return f'<p class="error"><code data-search>{escape(failure.code)}</code> {text}</p>'


def _details(entry: ManifestEntry) -> str:
    """List the details of a take: the sheet shows the first few, the loupe all."""
    shot, request, result = entry.shot, entry.shot.request, entry.result
    main: dict[str, object] = {"size": request.size, "seed": request.seed}
    if is_interrupted(entry):
        main["cost"] = _INTERRUPTED[entry.billing]
    more: dict[str, object] = {
        "style": request.style,
        "negative prompt": request.negative_prompt,
        "references": ", ".join(str(one.image or one.shot) for one in shot.references),
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


def _pairs(details: Mapping[str, object], *, kind: str = "") -> str:
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
