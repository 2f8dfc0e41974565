"""Read the body of a request, which a stranger sent, as a JSON object or a form."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from stills.contract.errors import InvalidRequest
from stills.contract.request import REQUEST_FIELDS
from stills.contract.strict_json import STRICT, RepeatedKey

_JSON = "application/json"
_DEPTH_MAX = 8
_FIELDS_MAX = 64
_IMAGE_NAME = re.compile(r"image(\[\d*\])?")
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_NUMBERS = {
    "n",
    "output_compression",
    *(name for name, field in REQUEST_FIELDS.items() if field.type == "integer"),
}
_SWITCHES = {
    "fresh",
    "stream",
    *(name for name, field in REQUEST_FIELDS.items() if field.type == "boolean"),
}


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body: its fields, and the references, files and text alike, in order.

    References are named `image`, `image[]` or, by some clients, `image[0]`, `image[1]` and so on.
    """

    fields: Mapping[str, Any]
    images: tuple[str | bytes, ...]

    @property
    def identity(self) -> bytes:
        """What equal forms have in common, unlike their bodies: each try has a new boundary."""
        images = [
            image if isinstance(image, str) else hashlib.sha256(image).hexdigest()
            for image in self.images
        ]
        return json.dumps([sorted(self.fields.items()), images]).encode()


def is_json(request: Request) -> bool:
    """Return whether the body is JSON, by its Content-Type."""
    return _media_type(request) == _JSON


def read_object(request: Request) -> dict[str, Any]:
    """Read the body as a JSON object.

    Raises:
        InvalidRequest: it is not a JSON object, or is nested too deeply.
    """
    _expect(request, _JSON)
    body: bytes = request.state.body
    try:
        read = STRICT.decode(body.decode("utf-8-sig"))
    except RepeatedKey as error:
        raise InvalidRequest(
            f"the field {error.key!r} is duplicated", field=error.key, action="Send it once."
        ) from None
    except (ValueError, RecursionError):
        raise InvalidRequest(
            "the body is not JSON", action='Send an object such as {"prompt": "a red kite"}.'
        ) from None
    if not isinstance(read, dict):
        raise InvalidRequest(
            "the body is not a JSON object", action='Send one such as {"prompt": "a red kite"}.'
        )
    if _is_deeper(read, _DEPTH_MAX):
        raise InvalidRequest(f"the body has more than {_DEPTH_MAX} levels")
    return read


async def read_form(request: Request) -> Form:
    """Read the body as a multipart form.

    Raises:
        InvalidRequest: it is not a complete form.
    """
    _expect(request, "multipart/form-data")
    _check_complete(request)
    try:
        async with request.form(max_files=16, max_fields=_FIELDS_MAX) as form:
            return await _read(form, request.state.body)
    except HTTPException as error:
        raise InvalidRequest(f"the form can't be read: {error.detail}") from None
    except (ValueError, KeyError):
        raise InvalidRequest("the form can't be read") from None


async def _read(form: FormData, body: bytes) -> Form:
    fields: dict[str, Any] = {}
    images: list[str | bytes] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and name == "mask":
            fields[name] = "a file"  # refused by name, as in JSON
        elif isinstance(value, UploadFile):
            images.append(await _file(name, value))
        elif value.encode(errors="replace") not in body:  # the parser guesses if it is not UTF-8
            raise InvalidRequest(
                f"{name[:40]} is not UTF-8 text", field=name[:40], action="Send it as UTF-8."
            )
        elif _IMAGE_NAME.fullmatch(name):
            images.append(value)
        elif name in fields:
            raise InvalidRequest(
                f"the field {name[:40]!r} is duplicated", field=name[:40], action="Send it once."
            )
        else:
            fields[name] = _value(name, value)
    return Form(fields, tuple(images))


def _check_complete(request: Request) -> None:
    """Refuse a form without its end, which the parser would accept."""
    match = _BOUNDARY.search(request.headers.get("content-type", ""))
    boundary = (match[1] or match[2]) if match else ""
    if not request.state.body.rstrip().endswith(f"--{boundary}--".encode()):
        raise InvalidRequest("the form is incomplete", action="Send it again.")


async def _file(name: str, value: UploadFile) -> bytes:
    if not _IMAGE_NAME.fullmatch(name):
        raise InvalidRequest(
            f"the file {name[:40]!r} is not supported",
            field=name[:40],
            action="Send references as image or image[].",
        )
    return await value.read()


def _value(name: str, value: str) -> str | int:
    if name in _SWITCHES and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if name in _NUMBERS and re.fullmatch("-?[0-9]{1,15}", value):
        return int(value)
    return value


def _expect(request: Request, media_type: str) -> None:
    if _media_type(request) != media_type:
        raise WrongMediaType(
            "unsupported Content-Type", field="Content-Type", action=f"Send {media_type}."
        )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class WrongMediaType(InvalidRequest):
    """This route does not read the body's Content-Type."""


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    if levels == 0:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_is_deeper(one, levels - 1) for one in inner)
