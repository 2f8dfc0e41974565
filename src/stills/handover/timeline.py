"""The film as a timeline for editing programs: OpenTimelineIO, Final Cut Pro's XML, and EDL."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

from stills.contract.errors import InvalidRequest
from stills.handover.extra import load
from stills.handover.shot_rows import ShotRow, list_rows
from stills.handover.text import one_line
from stills.review.film import Film

EDL_MAX_EVENTS = 999
_RATES: Mapping[str, tuple[int, ...]] = {
    "edl": (24, 25, 30, 48, 50, 60),
    "fcpxml": (24, 25, 30, 50, 60),
}
"""The frame rates that a format can name."""
_ADAPTERS = {"otio": "otio_json", "fcpxml": "fcpx_xml", "edl": "cmx_3600"}
_ADAPTER_MODULES = {"fcpxml": "otio_fcpx_xml_adapter", "edl": "otio_cmx3600_adapter"}


def write_timeline(film: Film, output: Path, form: str) -> None:
    """Write the film as `otio`, `fcpxml` or `edl`. Blocks.

    Raises:
        InvalidRequest: the format has no such frame rate, or not as many shots.
        ToolMissing: OpenTimelineIO or its adapter is not installed.
    """
    _check(film, form)
    otio = load("opentimelineio", form)
    if form in _ADAPTER_MODULES:
        load(_ADAPTER_MODULES[form], form)
    timeline = otio.schema.Timeline(name=one_line(film.title))
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for row in list_rows(film):
        track.append(_clip(otio, row, film.fps, form))
    text: str = otio.adapters.write_to_string(timeline, _ADAPTERS[form])
    output.write_bytes(_finish_fcpxml(text, film) if form == "fcpxml" else text.encode())


def _check(film: Film, form: str) -> None:
    rates = _RATES.get(form, (film.fps,))
    if film.fps not in rates:
        raise InvalidRequest(
            f"{form} has no frame rate of {film.fps}",
            field="fps",
            action=f"Use one of {', '.join(map(str, rates))}, or --to otio.",
        )
    if form == "edl" and len(film.stills) > EDL_MAX_EVENTS:
        raise InvalidRequest(
            f"an EDL has at most {EDL_MAX_EVENTS} shots, and the film has {len(film.stills)}",
            field="to",
            action="Use --to otio or --to fcpxml.",
        )


def _clip(otio: ModuleType, row: ShotRow, fps: int, form: str) -> Any:  # noqa: ANN401 - untyped
    time, span = otio.opentime.RationalTime, otio.opentime.TimeRange
    shown = span(time(0, fps), time(row.still.frames, fps))
    media = otio.schema.ExternalReference(row.still.file.as_uri(), available_range=shown)
    name = one_line(row.still.shot_id)
    clip = otio.schema.Clip(name=name, media_reference=media, source_range=shown)
    comments = list(map(one_line, row.comments))
    prompt = one_line(row.prompt)
    if form == "edl":
        said = [f"COMMENT: {comment}" for comment in comments]
        marked = [row.pick.upper()] if row.pick else []
        if row.dialogue:
            marked.append(f"DIALOGUE: {one_line(row.dialogue)}")
        clip.metadata["cmx_3600"] = {"reel": "AX", "comments": [*marked, *said]}
        return clip
    if form == "fcpxml":
        clip.name = name.replace("'", "_")  # the adapter can't find a name with an apostrophe
        spoken = f"“{one_line(row.dialogue)}”" if row.dialogue else ""
        media.metadata["fcpx"] = {"note": "; ".join(filter(None, (row.pick, prompt, spoken)))}
    else:
        clip.metadata["stills"] = _metadata(row)
    for comment in comments:
        clip.markers.append(
            otio.schema.Marker(
                name=comment,
                marked_range=span(time(0, fps), time(1, fps)),
                color=otio.schema.MarkerColor.RED,
            )
        )
    return clip


def _metadata(row: ShotRow) -> dict[str, Any]:
    return {
        "id": one_line(row.still.shot_id),
        "number": row.number,
        "pick": row.pick,
        "take": row.take,
        "prompt": one_line(row.prompt),
        "dialogue": one_line(row.dialogue),
        "seed": row.seed,
        "comments": list(map(one_line, row.comments)),
        "notes": list(map(one_line, row.notes)),
        "size": str(row.still.size),
    }


def _finish_fcpxml(text: str, film: Film) -> bytes:
    """Give the film the size of its first image.

    The adapter names a standard format of video instead, which most images don't have.
    """
    root = ET.fromstring(text)  # noqa: S314 - the adapter wrote it
    size = film.stills[0].size
    for form in root.iter("format"):
        form.attrib.pop("name", None)
        form.attrib |= {"width": str(size.width), "height": str(size.height)}
    for project in root.iter("project"):
        project.attrib.pop("uid", None)
    ET.indent(root)
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
    return head + ET.tostring(root, encoding="unicode").encode() + b"\n"
