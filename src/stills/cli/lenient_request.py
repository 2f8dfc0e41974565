"""A request as agents and older pipelines write it, only for the skill's script.

It accepts what a person would clearly understand; everywhere else, the contract is strict. What it
ignores is named, so that nothing is silently dropped.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stills.contract.errors import InvalidRequest
from stills.contract.request import REQUEST_FIELDS, ImageRequest
from stills.contract.request_json import parse_request

DEFAULT_SIZE = "1024*1024"
_NAME_MAX = 40


@dataclass(frozen=True, slots=True)
class LenientRequest:
    """A request, the model that it names, and the names of the fields that were ignored."""

    request: ImageRequest
    model: str | None
    ignored: Sequence[str]


def read_lenient_request(text: str | bytes) -> LenientRequest:
    """Read a JSON request.

    Empty text and null mean that a field is absent. A missing size is 1024*1024, and the whole
    numbers "7" and 7.0 are 7. `model` must be text, and is checked later against the model table.

    Raises:
        InvalidRequest: it is not a JSON object, or a field that a request has is invalid.
    """
    given = {name: value for name, value in parse_request(text).items() if not _is_absent(value)}
    model = given.pop("model", None)
    if model is not None and not isinstance(model, str):
        raise InvalidRequest(
            "model is not text", field="model", action="Give an exact id, or leave it out."
        )
    fields = {
        name: _read_number(given[name]) if field.type == "integer" else given[name]
        for name, field in REQUEST_FIELDS.items()
        if name in given
    }
    return LenientRequest(
        ImageRequest.from_mapping({"size": DEFAULT_SIZE} | fields),
        model if model is None else model.strip(),
        _unknown_names(given),
    )


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _read_number(value: object) -> object:
    """Return a whole number as int; anything else as it is, for the request to reject."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,10}(\.0{1,10})?\s*", value, re.ASCII):
        return int(float(value))
    return value


def _unknown_names(given: Mapping[str, Any]) -> Sequence[str]:
    return [name[:_NAME_MAX] for name in given if name not in REQUEST_FIELDS]
