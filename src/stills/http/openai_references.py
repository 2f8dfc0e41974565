"""Read the references of OpenAI's clients and of those that speak its dialects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stills.contract.errors import InvalidReference, InvalidRequest

REFERENCE_FIELDS = ("image", "images", "input_references")
"""`image` of forms and of DashScope's own OpenAI routes, `images` of OpenAI's JSON edits, and
`input_references` of OpenRouter."""

_ACTION = "Send an https URL or a data URL as text, or as the image_url of an object."


@dataclass(frozen=True, slots=True)
class References:
    """All references of a request, in order, and the name of the field that they are in.

    If they are in several fields, `field` is `image`.
    """

    images: tuple[str | bytes, ...]
    field: str = "image"

    def as_fields(self) -> dict[str, object]:
        """Return them as fields of an ImageRequest."""
        if len(self.images) == 1:
            return {"reference_image": self.images[0]}
        return {"reference_images": self.images}

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Call them in errors by the name of the client's field."""
        try:
            yield
        except InvalidRequest as error:
            for name in ("reference_images", "reference_image"):
                if (error.field or "").startswith(name):
                    raise error.with_(
                        field=(error.field or "").replace(name, self.field, 1),
                        message=error.message.replace(name, self.field, 1),
                    ) from error
            raise


def read_references(fields: Mapping[str, Any], uploaded: Sequence[str | bytes] = ()) -> References:
    """Read the references in the fields of a body, after those of a form.

    Each field is one reference or a list of them.

    Raises:
        InvalidReference: one is neither text nor an object with an `image_url`.
    """
    images = list(uploaded)
    given = [name for name in REFERENCE_FIELDS if fields.get(name) is not None]
    for name in given:
        value = fields[name]
        if isinstance(value, list):
            images += [_read_one(f"{name}[{index}]", one) for index, one in enumerate(value)]
        else:
            images.append(_read_one(name, value))
    field = given[0] if len(given) == 1 and not uploaded else "image"
    return References(tuple(images), field)


def _read_one(field: str, value: object) -> str:
    """Read text, or the URL in `{"image_url": URL}` or `{"image_url": {"url": URL}}`."""
    if isinstance(value, dict):
        if value.get("file_id") is not None:
            raise InvalidReference(
                f"{field} is a file_id, but this service has no files", field=field, action=_ACTION
            )
        value = value.get("image_url")
        if isinstance(value, dict):
            value = value.get("url")
    if not isinstance(value, str):
        raise InvalidReference(
            f"{field} is neither text nor an object with an image_url", field=field, action=_ACTION
        )
    return value
