"""References: load all reference images of a request, in order."""

from collections.abc import Sequence

from stills.contract.errors import InvalidReference, InvalidRequest
from stills.contract.models import MODELS, Model
from stills.contract.request import ImageRequest
from stills.pipeline.context import LoadReference
from stills.pipeline.reference import Reference

SENT_MAX_BYTES = 30 * 1024 * 1024
"""How large all references of a request may be as sent: three of the largest.

The limit of the service is not known; its chat API takes bodies of 6 to 10 MB.
"""


async def load_references(
    request: ImageRequest, model: Model, load: LoadReference
) -> tuple[Reference, ...]:
    """Load the reference images of a request, unless the model takes fewer.

    They are loaded one after the other, so that only those that fit into a call are in memory.

    Raises:
        InvalidRequest: there are more than the model takes; none was loaded.
        InvalidReference: one can't be used, and the error names it; or they are too large together.
    """
    check_count(request, model)
    references: list[Reference] = []
    for name, given in _named(request):
        try:
            references.append(await load(given))
        except InvalidReference as error:
            raise _rename(error, name) from error
        _check_total(references)
    return tuple(references)


def check_count(request: ImageRequest, model: Model) -> None:
    """Check that a model takes as many reference images as a request has.

    Raises:
        InvalidRequest: it takes fewer.
    """
    count = len(request.all_references)
    if count <= model.reference_images_max:
        return
    field = request.references_field
    other = next(
        (
            f"a model that takes {count} by its exact id, such as {one.id}"
            for one in MODELS.values()
            if one.reference_images_max >= count and one.retired_on is None
        ),
        "another model",
    )
    if model.reference_images_max == 0:
        message = f"{model.id} generates images from text only and takes no {field}"
        action = f"Leave it out, or choose {other}."
    else:
        over = count - model.reference_images_max
        message = (
            f"{field}: {count} reference images, {over} over {model.id}'s limit of "
            f"{model.reference_images_max}"
        )
        action = f"Leave some out, or choose {other}."
    raise InvalidRequest(message, field=field, action=action)


def _check_total(references: Sequence[Reference]) -> None:
    byte_count = sum(len(one.url) for one in references)
    if byte_count > SENT_MAX_BYTES:
        limit = SENT_MAX_BYTES // 1024 // 1024
        raise InvalidReference(
            f"reference_images: the first {len(references)} are {byte_count / 1024 / 1024:.1f} MB "
            f"as sent, and all together may be {limit} MB",
            field="reference_images",
            action="Scale them down; 2048 pixels per side are plenty. Nothing was sent.",
        )


def _named(request: ImageRequest) -> list[tuple[str, str | bytes]]:
    """Return the references in order, each with the name that errors call it by."""
    named = [(f"reference_images[{i}]", one) for i, one in enumerate(request.reference_images)]
    if request.reference_image is not None:
        named.insert(0, ("reference_image", request.reference_image))
    return named


def _rename(error: InvalidReference, name: str) -> InvalidReference:
    message = error.message.replace("reference_image", name, 1)
    return error.with_(field=name, message=message)
