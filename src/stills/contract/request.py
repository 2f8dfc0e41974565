"""The request of `image.generate`, and the description of its fields.

`ImageRequest` is the only list of the fields: JSON Schema, OpenAPI, the MCP tool, command line
options, shot-list columns and the tables of the documentation are made from their metadata.

A plain dataclass, not a pydantic model: loading pydantic would take a third of the time of a
command that is answered from the catalog.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, InitVar, dataclass, field, fields, replace
from typing import Any, Self, get_args, get_origin

from stills.contract.errors import InvalidRequest
from stills.contract.models import SEED_MAX
from stills.contract.request_json import parse_request
from stills.contract.size import (
    AUTO,
    PIXELS_MAX,
    SIDE_MAX_PIXELS,
    SIDE_MIN_PIXELS,
    SIZE_PATTERN,
    Size,
    normalize_size,
    parse_size,
)

_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})  # Unicode's general categories
PROMPT_EXTEND_MODES = ("direct", "agent")


@dataclass(frozen=True, slots=True)
class RequestField:
    """One field of a request, as documents and front ends describe it.

    `type` is "string", "integer", "boolean" or, for a list of text, "array"; `limits` are further
    keywords of JSON Schema. `summary` and `details` are phrases without a capital or a full stop.
    """

    name: str
    type: str
    is_required: bool
    summary: str
    details: str
    example: str | int | list[str]
    limits: Mapping[str, Any]

    @property
    def phrase(self) -> str:
        """The description as one phrase, for a line of help."""
        return "; ".join(filter(None, (self.summary, self.details)))

    @property
    def description(self) -> str:
        """The description in sentences."""
        return _sentences(self.summary, self.details)

    def schema(self, *, details: str | None = None) -> dict[str, Any]:
        """Describe the field in JSON Schema.

        A front end that takes other forms of the value gives its own `details`; the example is left
        out then.
        """
        if details is None:
            about: dict[str, Any] = {"description": self.description, "examples": [self.example]}
        else:
            about = {"description": _sentences(self.summary, details)}
        items = {"items": {"type": "string"}} if self.type == "array" else {}
        return {"type": self.type, **items, **self.limits, **about}


def _sentences(*phrases: str) -> str:
    return " ".join(f"{one[0].upper()}{one[1:]}." for one in phrases if one)


def _about(
    summary: str,
    details: str = "",
    *,
    example: str | int | list[str],
    **limits: int | str | list[str],
) -> dict[str, Any]:
    return {"summary": summary, "details": details, "example": example, "limits": limits}


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """One normalized `image.generate` request; `REQUEST_FIELDS` describes the fields.

    `width` and `height` in pixels may be given instead of `size`, and `size` may be `W*H`, `WxH`, a
    ratio, `1K`, `2K` or `4K`, or `auto`. Reference images may be bytes, too.

    Raises:
        InvalidRequest: a field has the wrong type or is out of range.
    """

    prompt: str = field(
        metadata=_about(
            "what the image shows", example="a red kite over a stubble field", minLength=1
        )
    )
    size: str = field(
        default="",  # because of `width` and `height`
        metadata=_about(
            f"width and height in pixels, W*H, {SIDE_MIN_PIXELS} to {SIDE_MAX_PIXELS} each and at "
            f"most {PIXELS_MAX // 1_000_000} million in all",
            "also a ratio such as 16:9; 1K, 2K or 4K, with or without a ratio; or auto, for the "
            "ratio of the reference image",
            example="1920*1080",
            pattern=SIZE_PATTERN,
        ),
    )
    negative_prompt: str | None = field(
        default=None, metadata=_about("what to avoid", example="text, watermark")
    )
    style: str | None = field(
        default=None, metadata=_about("style, added to the prompt", example="35mm film")
    )
    seed: int | None = field(
        default=None,
        metadata=_about(
            f"0 to {SEED_MAX}",
            "each seed gives another variation; without one, the same request returns the same "
            "image",
            example=7,
            minimum=0,
            maximum=SEED_MAX,
        ),
    )
    reference_image: str | bytes | None = field(
        default=None,
        repr=False,  # it may be a private picture, or a signed link
        metadata=_about(
            "an image for the model to follow, if it accepts one",
            "the id of a stored image, or an https URL, a path or a data URL of a PNG, JPEG, WebP, "
            "GIF, BMP or TIFF",
            example="portraits/anna.png",
        ),
    )
    reference_images: tuple[str | bytes, ...] = field(
        default=(),
        repr=False,
        metadata=_about(
            "several images for the model to follow, in order",
            "each in a form that reference_image takes; with reference_image, that is the first",
            example=["portraits/anna.png", "portraits/tom.png"],
        ),
    )
    prompt_extend: bool | None = field(
        default=None,
        metadata=_about(
            "whether the service may rewrite the prompt before it generates",
            "by default it does; switch it off for finished prompts",
            example=False,
        ),
    )
    prompt_extend_mode: str | None = field(
        default=None,
        metadata=_about(
            "how models of version 3.0 rewrite the prompt",
            example="direct",
            enum=list(PROMPT_EXTEND_MODES),
        ),
    )
    enable_thinking: bool | None = field(
        default=None,
        metadata=_about(
            "whether models of version 3.0 think about the prompt before they rewrite it",
            "by default they do, which takes longer",
            example=False,
        ),
    )

    width: InitVar[int | None] = None
    height: InitVar[int | None] = None

    def __post_init__(self, width: int | None, height: int | None) -> None:
        prompt = _text("prompt", self.prompt)
        if not prompt:
            raise InvalidRequest(
                "prompt is empty", field="prompt", action="Describe what the image shows."
            )
        if all(unicodedata.category(character) in _INVISIBLE for character in prompt):
            raise InvalidRequest(
                "prompt has no visible character",
                field="prompt",
                action="Describe what the image shows.",
            )
        checked: dict[str, object] = {
            "prompt": prompt,
            "size": _read_size(self.size, width, height),
            "negative_prompt": _optional_text("negative_prompt", self.negative_prompt),
            "style": _optional_text("style", self.style),
            "reference_images": _read_references(self.reference_images),
        }
        _check_seed(self.seed)
        if self.reference_image is not None:
            _check_reference("reference_image", self.reference_image)
        _check_switch("prompt_extend", self.prompt_extend)
        _check_switch("enable_thinking", self.enable_thinking)
        _check_mode(self.prompt_extend_mode)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Self:
        """Read a request from a mapping, such as a parsed JSON object.

        Raises:
            InvalidRequest: a field is unknown, missing, of the wrong type or out of range.
        """
        for name in given:
            if name not in REQUEST_FIELDS:
                raise InvalidRequest(
                    f"unknown field {str(name)[:40]!r}",
                    field=str(name)[:40],
                    action=f"A request has the fields {', '.join(REQUEST_FIELDS)}.",
                )
        for name, one in REQUEST_FIELDS.items():
            if one.is_required and name not in given:
                raise InvalidRequest(f"{name} is missing", field=name, action=f"Add {name}.")
        return cls(**given)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a request from JSON text.

        Raises:
            InvalidRequest: it is not a JSON object, repeats a field, or is not a valid request.
        """
        return cls.from_mapping(parse_request(text))

    @property
    def output_size(self) -> Size | None:
        """The size of the image in pixels; None for `auto`."""
        return None if self.size == AUTO else parse_size(self.size)

    @property
    def all_references(self) -> tuple[str | bytes, ...]:
        """The reference images in order: `reference_image`, then `reference_images`."""
        first = () if self.reference_image is None else (self.reference_image,)
        return (*first, *self.reference_images)

    @property
    def references_field(self) -> str:
        """The field to name in an error about all references."""
        return "reference_images" if self.reference_images else "reference_image"

    def with_references(self, references: Sequence[str | bytes]) -> Self:
        """Return a copy with other images in place of `all_references`, as many and in order."""
        if self.reference_image is None:
            return replace(self, reference_images=tuple(references))
        first, *others = references
        return replace(self, reference_image=first, reference_images=tuple(others))


def _json_type(python_type: Any) -> str:  # noqa: ANN401 - the type of any field
    if get_origin(python_type) is tuple:
        return "array"
    types = get_args(python_type)
    if bool in types:
        return "boolean"
    return "integer" if int in types else "string"


REQUEST_FIELDS: Mapping[str, RequestField] = {
    one.name: RequestField(
        name=one.name,
        type=_json_type(one.type),
        is_required=one.default is MISSING or one.name == "size",
        **one.metadata,
    )
    for one in fields(ImageRequest)
}
"""The fields of a request by name, in order."""


def check_is_request(given: object) -> None:
    """Check that a caller passed an ImageRequest, not for example a dict.

    Raises:
        InvalidRequest: it is something else.
    """
    if not isinstance(given, ImageRequest):
        raise InvalidRequest(
            f"the request is a {type(given).__name__}, not an ImageRequest",
            action="Create one with ImageRequest(prompt=..., size=...), or from a dict with "
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


def _read_size(size: object, width: object, height: object) -> str:
    if width is None and height is None:
        if size == "":
            raise InvalidRequest("size is missing", field="size", action="Add size.")
        if isinstance(size, tuple | list):
            action = 'Write it as text, such as "1280*720".'
            raise InvalidRequest(f"size is {_kind(size)}, not text", field="size", action=action)
        return normalize_size(_text("size", size))
    if size:
        raise InvalidRequest(
            "size is given, and also width or height", field="size", action="Give one of the two."
        )
    for name, side in (("width", width), ("height", height)):
        if not isinstance(side, int) or isinstance(side, bool):
            raise InvalidRequest(
                f"{name} is {_kind(side)}, not a whole number",
                field=name,
                action="Give width and height in pixels.",
            )
    return normalize_size(f"{width}*{height}")


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


def _check_reference(field: str, given: object) -> None:
    if not isinstance(given, bytes) and not _text(field, given):
        raise InvalidRequest(
            f"{field} is empty", field=field, action="Give an image, or leave it out."
        )


def _check_switch(field: str, given: object) -> None:
    if given is not None and not isinstance(given, bool):
        raise InvalidRequest(
            f"{field} is {_kind(given)}, not true or false",
            field=field,
            action="Give true or false, or leave it out.",
        )


def _check_mode(given: object) -> None:
    if given is not None and given not in PROMPT_EXTEND_MODES:
        raise InvalidRequest(
            f"prompt_extend_mode is not {' or '.join(PROMPT_EXTEND_MODES)}",
            field="prompt_extend_mode",
            action="Use one of the two, or leave it out.",
        )


def _read_references(given: object) -> tuple[str | bytes, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        raise InvalidRequest(
            f"reference_images is {_kind(given)}, not a list",
            field="reference_images",
            action="Give a list of images, or a single one as reference_image.",
        )
    for index, one in enumerate(given):
        _check_reference(f"reference_images[{index}]", one)
    return tuple(given)


_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    bytes: "bytes",
    list: "a list",
}


def _kind(given: object) -> str:
    if given is None:
        return "null"
    return _KINDS.get(type(given), f"a {type(given).__name__}")
