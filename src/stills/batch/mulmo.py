"""MulmoScript: `beats`, with the images they refer to.

Facts are those of mulmocast-cli's schema (`src/types/schema.ts`) and of how it draws a beat
(`src/actions/image_agents.ts`): a beat without `imagePrompt` is drawn from its `text`; one with
`image`, `htmlPrompt`, or a `moviePrompt` alone is not drawn; a beat without `imageNames` refers
to every image there is; the canvas is 1280 by 720 unless it says otherwise.
"""

from collections.abc import Mapping
from pathlib import Path

from stills.batch.project import Project, place
from stills.batch.row import Row
from stills.batch.shot_list import read_cast
from stills.batch.shots import Defaults, Problem
from stills.batch.sizes import choose_size
from stills.contract.errors import InvalidRequest

DEFAULT_SIZE = "1280*720"
BEAT_KEYS = frozenset(
    (
        "audio",
        "audioParams",
        "captionParams",
        "description",
        "duration",
        "enableLipSync",
        "hidden",
        "htmlImageParams",
        "htmlPrompt",
        "id",
        "image",
        "imageNames",
        "imageParams",
        "imagePrompt",
        "lipSyncParams",
        "meta",
        "movieParams",
        "moviePrompt",
        "soundEffectParams",
        "soundEffectPrompt",
        "speaker",
        "speechOptions",
        "text",
        "textSlideParams",
        "texts",
        "variants",
    )
)


def is_mulmo(document: Mapping[str, object]) -> bool:
    """Tell a MulmoScript by its beats."""
    return isinstance(document.get("beats"), list)


def read_mulmo(document: Mapping[str, object], *, name: str, folder: Path) -> Project:
    """Read a MulmoScript: canvas, style, images as cast, beats as rows."""
    params = _mapping(document.get("imageParams"))
    images = {key: _member(image) for key, image in _mapping(params.get("images")).items()}
    cast, problems = read_cast(images, name=name, folder=folder)
    try:
        size = _canvas(document.get("canvasSize"))
    except InvalidRequest as error:
        size = None
        problems.append(Problem(name, "canvasSize", error.message, error.action))
    beats = document["beats"]
    rows, notes = _rows(beats if isinstance(beats, list) else [], name, list(images))
    style = params.get("style")
    title = document.get("title")
    return Project(
        rows=rows,
        defaults=Defaults(size=size, style=style if isinstance(style, str) else None),
        cast=cast,
        title=title if isinstance(title, str) else None,
        problems=tuple(problems),
        notes=tuple(dict.fromkeys(notes)),
    )


def _canvas(written: object) -> str:
    canvas = _mapping(written)
    if not canvas:
        return DEFAULT_SIZE
    return choose_size(
        size=None,
        width=canvas.get("width"),
        height=canvas.get("height"),
        aspect_ratio=None,
        defaults=Defaults(),
    )


def _member(image: object) -> object:
    written = _mapping(image)
    if written.get("type") == "imagePrompt":
        return {"prompt": written.get("prompt")}
    source = _mapping(written.get("source"))
    kind = source.get("kind")
    data = source.get("data")
    if kind == "base64" and isinstance(data, str):
        return {"image": f"data:image/png;base64,{data}"}
    return {"image": source.get("url" if kind == "url" else "path")}


def _rows(beats: list[object], name: str, images: list[str]) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    notes: list[str] = []
    for position, beat in enumerate(beats, start=1):
        source = place(beat, name) or f"{name}, beat {position}"
        if not isinstance(beat, Mapping):
            rows.append(Row(source, position, beat))
            continue
        unread = (str(key)[:40] for key in beat.keys() - BEAT_KEYS)
        notes.extend(f"{name}: a beat's {key} is not read" for key in unread)
        unwanted = _has_own_picture(beat)
        if unwanted:
            notes.append(f"{source}: not drawn, for the beat has its own {unwanted}")
            continue
        if not beat.get("imagePrompt"):
            notes.append(f"{name}: beats without imagePrompt are drawn from their text")
        rows.append(Row(source, position, _row(beat, images)))
    return rows, notes


def _has_own_picture(beat: Mapping[str, object]) -> str | None:
    for key in ("image", "htmlPrompt"):
        if beat.get(key):
            return key
    return "moviePrompt" if beat.get("moviePrompt") and not beat.get("imagePrompt") else None


def _row(beat: Mapping[str, object], images: list[str]) -> dict[str, object]:
    names = beat.get("imageNames")
    return {
        "id": beat.get("id"),
        "prompt": beat.get("imagePrompt") or beat.get("text"),
        "style": _mapping(beat.get("imageParams")).get("style"),
        "cast": images if names is None else names,
        "duration": beat.get("duration"),
    }


def _mapping(written: object) -> Mapping[str, object]:
    return written if isinstance(written, Mapping) else {}
