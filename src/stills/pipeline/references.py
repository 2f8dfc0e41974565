"""References: load all reference images of a request, in order."""

from stills.contract.errors import InvalidReference, InvalidRequest
from stills.contract.models import MODELS, Model
from stills.contract.request import ImageRequest
from stills.pipeline.context import LoadReference
from stills.pipeline.reference import Reference


async def load_references(
    request: ImageRequest, model: Model, load: LoadReference
) -> tuple[Reference, ...]:
    """Load the reference images of a request, unless the model takes fewer.

    Raises:
        InvalidRequest: there are more than the model takes; none was loaded.
        InvalidReference: one can't be used; the error names it.
    """
    check_count(request, model)
    references = []
    for name, given in _named(request):
        try:
            references.append(await load(given))
        except InvalidReference as error:
            raise _rename(error, name) from error
    return tuple(references)


def check_count(request: ImageRequest, model: Model) -> None:
    """Check that a model takes as many reference images as a request has.

    Raises:
        InvalidRequest: it takes fewer.
    """
    count = len(request.all_references)
    if count <= model.reference_images_max:
        return
    field = "reference_images" if request.reference_images else "reference_image"
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


def _named(request: ImageRequest) -> list[tuple[str, str | bytes]]:
    """Return the references in order, each with the name that errors call it by."""
    named = [(f"reference_images[{i}]", one) for i, one in enumerate(request.reference_images)]
    if request.reference_image is not None:
        named.insert(0, ("reference_image", request.reference_image))
    return named


def _rename(error: InvalidReference, name: str) -> InvalidReference:
    message = error.message.replace("reference_image", name, 1)
    return error.with_(field=name, message=message)
