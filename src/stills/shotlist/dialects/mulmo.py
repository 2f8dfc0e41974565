"""MulmoScript: `beats`, and the images they refer to.

This follows mulmocast-cli's schema (`src/types/schema.ts`) and the way it generates images
(`src/actions/image_agents.ts`): a beat without `imagePrompt` is generated from its `text`; one with
`image` or `htmlPrompt`, or with only a `moviePrompt`, is not generated; a beat without `imageNames`
refers to all images, including its own `images`; a generated image may refer to others
(`image_references.ts`); the default canvas is 1280 by 720.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from stills.contract.errors import InvalidRequest
from stills.shotlist.cast import Member, MemberReference, locate_image, read_member
from stills.shotlist.project import Project
from stills.shotlist.references import read_label
from stills.shotlist.row import Row, find_source
from stills.shotlist.shots import Defaults, Problem
from stills.shotlist.sizes import choose_size

DEFAULT_SIZE = "1280*720"
STILL_TYPES = ("image", "imagePrompt")
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
        "images",
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
    """Return whether a document is a MulmoScript: it has a list of beats."""
    return isinstance(document.get("beats"), list)


def read_mulmo(document: Mapping[str, object], *, name: str, folder: Path) -> Project:
    """Read a MulmoScript: its canvas and style, its images as the cast, its beats as rows."""
    params = _mapping(document.get("imageParams"))
    images = ImageLibrary(name)
    shared = images.add(_mapping(params.get("images")), {}, beat=None)
    beats = document["beats"]
    rows, notes = _rows(beats if isinstance(beats, list) else [], name, images, shared)
    cast, problems = images.read(folder)
    try:
        size = _canvas(document.get("canvasSize"))
    except InvalidRequest as error:
        size = None
        problems.append(Problem(name, "canvasSize", error.message, error.action))
    style = params.get("style")
    title = document.get("title")
    return Project(
        rows=rows,
        defaults=Defaults(size=size, style=style if isinstance(style, str) else None),
        cast=cast,
        title=title if isinstance(title, str) else None,
        problems=tuple(problems),
        notes=tuple(dict.fromkeys([*images.notes, *notes])),
    )


class _Image(NamedTuple):
    """An image as it was written, and the keys it may refer to with the names behind them."""

    written: Mapping[str, object]
    names: Mapping[str, str | None]


class ImageLibrary:
    """The images of a script and of its beats, each with a unique name."""

    def __init__(self, script: str) -> None:
        self.notes: list[str] = []
        self._script = script
        self._images: dict[str, _Image] = {}

    def add(
        self, images: Mapping[str, object], others: Mapping[str, str | None], *, beat: int | None
    ) -> dict[str, str | None]:
        """Add images; return the names of all valid keys, None for images that are not stills."""
        names = dict(others)
        for key, image in images.items():
            if _mapping(image).get("type", "image") not in STILL_TYPES:
                names[key] = None
                self.notes.append(
                    f"{self._script}: image {key[:40]} is not a still and was left out"
                )
                continue
            name = names[key] = self._name(key, image, beat)
            self._images[name] = _Image(_mapping(image), names)
        return names

    def read(self, folder: Path) -> tuple[dict[str, Member], list[Problem]]:
        """Read the images as a cast, and their problems."""
        cast: dict[str, Member] = {}
        problems = []
        for name, image in self._images.items():
            source = find_source(image.written, self._script) or self._script
            try:
                cast[name] = self._read(name, image, source, folder)
            except InvalidRequest as error:
                problems.append(Problem.of(source, error))
                cast[name] = Member(name, source)
        return cast, problems

    def _name(self, key: str, image: object, beat: int | None) -> str:
        """Return an image's key, or a new name if another image has the same key."""
        taken = self._images.get(key)
        if taken is None or (taken.written == image and not _references(taken.written)):
            return key
        name = f"{key}-{beat}"
        while name in self._images:
            name += "-"
        return name

    def _read(self, name: str, image: _Image, source: str, folder: Path) -> Member:
        member = read_member(name, _member(name, image.written), source=source, folder=folder)
        references = []
        for reference in _references(image.written):
            label = read_label("label", reference.get("label"))
            file = _source_image(reference.get("source"))
            if file is None or reference.get("name") is not None:
                other = self._find(name, reference.get("name"), image.names)
                references.append(MemberReference(member=other, label=label))
            else:
                references.append(MemberReference(image=locate_image(file, folder), label=label))
        return replace(member, references=tuple(references))

    def _find(self, name: str, key: object, names: Mapping[str, str | None]) -> str:
        found = names.get(key) if isinstance(key, str) else None
        if found is None:
            target = repr(key[:40]) if isinstance(key, str) else "a name that is not text"
            raise InvalidRequest(
                f"image {name[:40]!r} refers to {target}, which is not a still of the script",
                field="referenceImageName",
                action="Name another image of imageParams.images, or add a source.",
            )
        return found


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


def _member(name: str, written: Mapping[str, object]) -> dict[str, object]:
    if written.get("type") != "imagePrompt":
        return {"image": _source_image(written.get("source"))}
    canvas = written.get("canvasSize")
    try:
        size = None if canvas is None else _canvas(canvas)
    except InvalidRequest as error:
        message = f"image {name[:40]!r}: {error.message}"
        raise InvalidRequest(message, field="canvasSize", action=error.action) from None
    return {"prompt": written.get("prompt"), "size": size}


def _references(written: Mapping[str, object]) -> list[Mapping[str, object]]:
    """List the references of an image, including the two short forms for a single one."""
    listed = written.get("references")
    references = [_mapping(one) for one in listed] if isinstance(listed, list) else []
    if written.get("referenceImageName") is not None:
        return [{"name": written["referenceImageName"]}, *references]
    if written.get("referenceImage") is not None:
        return [{"source": written["referenceImage"]}, *references]
    return references


def _source_image(written: object) -> str | None:
    source = _mapping(written)
    kind = source.get("kind")
    data = source.get("data")
    if kind == "base64" and isinstance(data, str):
        return f"data:image/png;base64,{data}"
    image = source.get("url" if kind == "url" else "path")
    return image if isinstance(image, str) else None


def _rows(
    beats: list[object], name: str, images: ImageLibrary, shared: Mapping[str, str | None]
) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    notes: list[str] = []
    for position, beat in enumerate(beats, start=1):
        source = find_source(beat, name) or f"{name}, beat {position}"
        if not isinstance(beat, Mapping):
            rows.append(Row(source, position, beat))
            continue
        ignored = (str(key)[:40] for key in beat.keys() - BEAT_KEYS)
        notes.extend(f"{name}: {key} of beats is ignored" for key in ignored)
        picture = _find_own_picture(beat)
        if picture:
            notes.append(f"{source}: not generated, because the beat has its own {picture}")
            continue
        if not beat.get("imagePrompt"):
            notes.append(f"{name}: beats without imagePrompt are generated from their text")
        names = images.add(_mapping(beat.get("images")), shared, beat=position)
        rows.append(Row(source, position, _row(beat, names)))
    return rows, notes


def _find_own_picture(beat: Mapping[str, object]) -> str | None:
    for key in ("image", "htmlPrompt"):
        if beat.get(key):
            return key
    return "moviePrompt" if beat.get("moviePrompt") and not beat.get("imagePrompt") else None


def _row(beat: Mapping[str, object], names: Mapping[str, str | None]) -> dict[str, object]:
    return {
        "id": beat.get("id"),
        "prompt": beat.get("imagePrompt") or beat.get("text"),
        "style": _mapping(beat.get("imageParams")).get("style"),
        "cast": _cast(beat.get("imageNames"), names),
        "duration": beat.get("duration"),
        "dialogue": beat.get("text"),
    }


def _cast(image_names: object, names: Mapping[str, str | None]) -> object:
    """Return the cast of a beat without images that aren't stills; all if it has no imageNames."""
    if image_names is None:
        return [name for name in names.values() if name is not None]
    if not isinstance(image_names, list) or not all(isinstance(key, str) for key in image_names):
        return image_names
    found = [names.get(key, key) for key in image_names]
    return [name for name in found if name is not None]


def _mapping(written: object) -> Mapping[str, object]:
    return written if isinstance(written, Mapping) else {}
