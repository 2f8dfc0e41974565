"""Read jobs that strangers submit over HTTP and MCP."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from stills.contract.encoded_image import is_base64_image, is_data_url
from stills.contract.errors import InvalidReference, InvalidRequest
from stills.contract.image_address import read_image_address
from stills.contract.jobs import JobShot
from stills.contract.models import SEED_MAX
from stills.contract.money import check_max_cost
from stills.contract.request import REQUEST_FIELDS, ImageRequest
from stills.contract.takes import check_takes, list_takes

SHOT_FIELDS = ("id", "takes", *REQUEST_FIELDS)
JOB_FIELDS = ("shots", "model", "name", "max_cost_usd", "webhook_url")
_NAME_MAX_CHARACTERS = 255
_ID_MAX_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that a client submits. `references_field` is None if no shot has a reference."""

    shots: tuple[JobShot, ...]
    model: object
    name: str | None
    max_cost_usd: float | None
    webhook_url: str | None
    references_field: str | None


def read_job(fields: Mapping[str, Any], *, public_url: str | None = None) -> JobRequest:
    """Read the fields of a job: those of one request, or a list of them in `shots`.

    `public_url` is the address of this service, for references to its images.

    Raises:
        InvalidRequest: a field is unknown, missing, of the wrong type or out of range.
    """
    common = {name: fields.get(name) for name in JOB_FIELDS}
    own = {name: value for name, value in fields.items() if name not in JOB_FIELDS}
    listed = common["shots"]
    if listed is None:
        shots = [*_read_shot(own, 0, public_url)]
    elif own:
        unknown = str(next(iter(own)))[:40]
        raise InvalidRequest(
            f"{unknown!r} is not a field of a job with shots",
            field=unknown,
            action=f"A job has {', '.join(JOB_FIELDS)}; everything else is in each shot.",
        )
    else:
        shots = list(_read_shots(listed, public_url))
    ids = {shot.id for shot in shots}
    if len(ids) < len(shots):
        raise InvalidRequest(
            "two shots have the same id, or one has the id of another's take",
            field="shots",
            action="Give each its own id, or none.",
        )
    with_reference = [shot for shot in shots if shot.references]
    return JobRequest(
        shots=tuple(shots),
        model=common["model"],
        name=_read_text("name", common["name"], _NAME_MAX_CHARACTERS),
        max_cost_usd=_read_amount(common["max_cost_usd"]),
        webhook_url=_read_text("webhook_url", common["webhook_url"], 2000),
        references_field="reference_image" if with_reference else None,
    )


def request_shots(
    request: ImageRequest, *, takes: int = 1, shot_id: str = "1", public_url: str | None = None
) -> Iterator[JobShot]:
    """Yield the shots of one request: one for each take.

    Raises:
        InvalidReference: a reference is a local path.
    """
    references = tuple(_read_reference(one, public_url) for one in request.all_references)
    plain = replace(request, reference_image=None, reference_images=())
    # The same request has the same seeds, so that it can be submitted again.
    digest = hashlib.sha256(repr((plain, references)).encode("utf-8", "replace")).digest()
    seed = request.seed if request.seed is not None else int.from_bytes(digest[:4]) & SEED_MAX
    for number, take in enumerate(list_takes(plain, takes=takes, seed=seed), start=1):
        yield JobShot(
            id=shot_id if number == 1 else f"{shot_id}-{number}",
            request=take.request,
            references=references,
            take_of=shot_id if takes > 1 else None,
        )


def _read_shots(listed: object, public_url: str | None) -> Iterator[JobShot]:
    if not isinstance(listed, list) or not listed:
        raise InvalidRequest(
            "shots is not a list of requests",
            field="shots",
            action='Send requests such as [{"id": "1A", "prompt": "…", "size": "1920*1080"}].',
        )
    for index, one in enumerate(listed):
        with _named(f"shots[{index}]"):
            if not isinstance(one, dict):
                raise InvalidRequest("is not an object", action="Send the fields of a request.")
            yield from _read_shot(one, index, public_url)


def _read_shot(fields: Mapping[str, Any], index: int, public_url: str | None) -> Iterator[JobShot]:
    given = dict(fields)
    shot_id = _read_text("id", given.pop("id", None), _ID_MAX_CHARACTERS) or str(index + 1)
    takes = given.pop("takes", None)
    number = 1 if takes is None else check_takes(takes)
    request = ImageRequest.from_mapping(given)
    yield from request_shots(request, takes=number, shot_id=shot_id, public_url=public_url)


def _read_reference(given: str | bytes, public_url: str | None) -> str | bytes:
    if isinstance(given, bytes):
        return given
    written = given.strip()
    address = read_image_address(written, public_url)
    if address is not None:
        return address
    is_web = written[:8].lower() == "https://"
    if not (is_web or is_data_url(written) or is_base64_image(written)):
        raise InvalidReference(
            "reference_image is neither an https URL nor a data URL, nor the id of a stored image",
            field="reference_image",
        )
    return written


def _read_text(name: str, given: object, characters_max: int) -> str | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > characters_max or not given.isprintable():
        raise InvalidRequest(
            f"{name} is not a short text",
            field=name,
            action=f"Give at most {characters_max} printable characters.",
        )
    return given


def _read_amount(given: Any) -> float | None:  # noqa: ANN401 - of a stranger
    try:
        check_max_cost(given)
    except InvalidRequest as error:
        raise error.with_(field="max_cost_usd") from error
    return None if given is None else float(given)


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Name the shot in the errors of its fields."""
    try:
        yield
    except InvalidRequest as error:
        field = place if error.field is None else f"{place}.{error.field}"
        raise error.with_(message=f"{place}: {error.message}", field=field) from error
