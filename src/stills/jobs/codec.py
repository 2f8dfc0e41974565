"""Shots, results and jobs as JSON in the database."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from stills.contract.access import BudgetOwner
from stills.contract.errors import Billing
from stills.contract.jobs import JobShot, JobSpec, NeededShot
from stills.contract.outcome import Failure
from stills.contract.request import REQUEST_FIELDS, ImageRequest
from stills.contract.result import ImageResult

ReadFile = Callable[[str], str | bytes]
"""Returns the bytes of a file by its digest, or a text that stands for them."""


def shown_file(digest: str) -> str:
    """Return the text that stands for a file."""
    return f"sha256:{digest}"


def encode_shot(shot: JobShot, files: dict[str, bytes]) -> dict[str, Any]:
    """Return a shot as JSON; the bytes of its references are added to `files` by their digest."""
    given = {name: getattr(shot.request, name) for name in REQUEST_FIELDS}
    line: dict[str, Any] = {
        "id": shot.id,
        "request": {
            name: _encode(value, files) for name, value in given.items() if value not in (None, ())
        },
    }
    if shot.references:
        line["references"] = [_encode(one, files) for one in shot.references]
    if shot.is_needed:
        line["needed"] = True
    if shot.take_of is not None:
        line["take_of"] = shot.take_of
    if shot.about:
        line["about"] = dict(shot.about)
    return line


def decode_lines(text: str) -> list[dict[str, Any]]:
    """Read the shots of a part, each still as JSON."""
    lines: list[dict[str, Any]] = json.loads(text)
    return lines


def decode_shot(line: Mapping[str, Any], read_file: ReadFile = shown_file) -> JobShot:
    """Read a shot."""
    request = {name: _decode(value, read_file) for name, value in line["request"].items()}
    return JobShot(
        id=line["id"],
        request=ImageRequest.from_mapping(request),
        references=tuple(_decode(one, read_file) for one in line.get("references", ())),
        is_needed=line.get("needed", False),
        take_of=line.get("take_of"),
        about=line.get("about", {}),
    )


def files_of(line: Mapping[str, Any]) -> set[str]:
    """Return the digests of the files that a shot needs."""
    digests: set[str] = set()

    def note(digest: str) -> str:
        digests.add(digest)
        return digest

    for value in (*line["request"].values(), *line.get("references", ())):
        _decode(value, note)
    return digests


def encode_spec(spec: JobSpec) -> str:
    """Return what a job was submitted with as JSON."""
    return json.dumps(asdict(spec), allow_nan=False)


def decode_spec(text: str) -> JobSpec:
    """Read what a job was submitted with."""
    given = json.loads(text)
    owner = given.pop("owner")
    return JobSpec(**given, owner=None if owner is None else BudgetOwner(**owner))


def encode_result(result: ImageResult) -> str:
    """Return a result as JSON, without the provider's link."""
    return json.dumps(result.lasting_fields())


def decode_result(text: str) -> ImageResult:
    """Read a result."""
    given = json.loads(text)
    return ImageResult(**(given | {"notes": tuple(given["notes"])}))


def encode_failure(failure: Failure) -> str:
    """Return a failure as JSON."""
    return json.dumps(asdict(failure))


def decode_failure(text: str) -> Failure:
    """Read a failure."""
    given = json.loads(text)
    return Failure(**(given | {"billing": Billing(given["billing"])}))


def _encode(value: object, files: dict[str, bytes]) -> object:
    if isinstance(value, bytes):
        digest = sha256(value).hexdigest()
        files[digest] = value
        return {"file": digest}
    if isinstance(value, NeededShot):
        return {"shot": value.id}
    if isinstance(value, tuple):
        return [_encode(one, files) for one in value]
    return value


def _decode(value: Any, read_file: ReadFile) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return tuple(_decode(one, read_file) for one in value)
    if isinstance(value, dict):
        return read_file(value["file"]) if "file" in value else NeededShot(value["shot"])
    return value
