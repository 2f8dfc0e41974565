"""What a caller asks for.

A plain dataclass, not a pydantic model: loading pydantic would take a third of the time of a
command that is answered from the catalog.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from stills.contract.errors import REFERENCE_FORMS, InvalidRequest
from stills.contract.models import SEED_MAX
from stills.contract.size import Size, parse_size
from stills.contract.strict_json import STRICT, RepeatedKey, explain

_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})  # Unicode's general categories
_EXAMPLE = 'Write an object such as {"prompt": "a red kite", "size": "1024*1024"}.'


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """One normalized `image.generate` request.

    `size` is `W*H` in pixels, 64 to 4096 a side (`x` and `×` are read, `*` is written). `seed` is
    0 to 2147483647; without one, the same request is answered with the same image. `style` is
    woven into the prompt. `reference_image` is an https URL, a local path, a data URL, or the
    bytes of a PNG, JPEG or WebP.

    Raises:
        InvalidRequest: a field is of the wrong type or out of range.
    """

    prompt: str
    size: str
    negative_prompt: str | None = None
    style: str | None = None
    seed: int | None = None
    reference_image: str | bytes | None = None

    def __post_init__(self) -> None:
        prompt = _text("prompt", self.prompt)
        if not prompt:
            raise InvalidRequest(
                "prompt is empty", field="prompt", action="Say what the image shows."
            )
        if all(unicodedata.category(character) in _INVISIBLE for character in prompt):
            raise InvalidRequest(
                "prompt has no visible character",
                field="prompt",
                action="Say what the image shows.",
            )
        checked = {
            "prompt": prompt,
            "size": str(parse_size(_text("size", self.size))),
            "negative_prompt": _optional_text("negative_prompt", self.negative_prompt),
            "style": _optional_text("style", self.style),
        }
        _check_seed(self.seed)
        _check_reference(self.reference_image)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Self:
        """Read a request out of a mapping, such as a parsed JSON object.

        Raises:
            InvalidRequest: as the constructor; also for unknown and missing fields.
        """
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise InvalidRequest(
                    f"unknown field {str(name)[:40]!r}",
                    field=str(name)[:40],
                    action=f"A request has the fields {', '.join(known)}.",
                )
        for name in ("prompt", "size"):
            if name not in given:
                raise InvalidRequest(f"{name} is missing", field=name, action=f"Add {name}.")
        return cls(**given)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a request out of JSON text.

        Raises:
            InvalidRequest: it is no JSON object, names a field twice, or is no valid request.
        """
        try:
            if isinstance(text, bytes):
                text = text.decode(json.detect_encoding(text))
            given = STRICT.decode(text.removeprefix("\ufeff"))
        except RepeatedKey as error:
            raise InvalidRequest(
                f"the request names {error.key!r} twice",
                field=error.key,
                action=f"Leave one {error.key!r} in it.",
            ) from None
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(
                f"the request is not JSON: {explain(error)}", action=_EXAMPLE
            ) from None
        if not isinstance(given, dict):
            raise InvalidRequest("the request is not a JSON object", action=_EXAMPLE)
        return cls.from_mapping(given)

    @property
    def output_size(self) -> Size:
        """The size asked for, in pixels."""
        return parse_size(self.size)


def check_is_request(given: object) -> None:
    """Tell who gives something else, such as a dict, how to make a request of it.

    Raises:
        InvalidRequest: it is no ImageRequest.
    """
    if not isinstance(given, ImageRequest):
        raise InvalidRequest(
            f"the request is a {type(given).__name__}, not an ImageRequest",
            action="Make one, such as ImageRequest(prompt=..., size=...), or of a dict with "
            "ImageRequest.from_mapping.",
        )


def _text(field: str, given: object) -> str:
    if not isinstance(given, str):
        raise InvalidRequest(
            f"{field} is {_kind(given)}, not text", field=field, action=f"Give {field} as text."
        )
    if _UNSENDABLE.search(given):
        raise InvalidRequest(
            f"{field} has a character that can't be sent (NUL or half a surrogate pair)",
            field=field,
            action=f"Remove it from {field}.",
        )
    return given.strip()


def _optional_text(field: str, given: object) -> str | None:
    return None if given is None else _text(field, given) or None


def _check_seed(given: object) -> None:
    action = f"Give a whole number from 0 to {SEED_MAX}, or leave it out."
    if given is None:
        return
    if not isinstance(given, int) or isinstance(given, bool):
        raise InvalidRequest(
            f"seed is {_kind(given)}, not a whole number", field="seed", action=action
        )
    if not 0 <= given <= SEED_MAX:
        raise InvalidRequest("seed is out of range", field="seed", action=action)


def _check_reference(given: object) -> None:
    if given is None or isinstance(given, bytes):
        return
    if not _text("reference_image", given):
        raise InvalidRequest(
            "reference_image is empty",
            field="reference_image",
            action=f"Give {REFERENCE_FORMS}, or leave it out.",
        )


_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}


def _kind(given: object) -> str:
    if given is None:
        return "null"
    return _KINDS.get(type(given), f"a {type(given).__name__}")
