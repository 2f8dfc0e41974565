"""The names by which clients call models: exact ids, and aliases that the operator chose."""

import re
from collections.abc import Mapping

from stills.contract.errors import InvalidRequest, UnknownModel
from stills.contract.models import MODELS, Model, find_model, list_ids

EDIT_SUFFIX = "@edit"
"""Ends an alias that applies only to requests with reference images."""

_ONLY_BYTES = re.compile(r"(?:[^/]*/)*(?:chat)?gpt-image\b.*", re.IGNORECASE)


def resolve_model(
    name: object,
    default_model: str,
    aliases: Mapping[str, str],
    models: Mapping[str, Model] = MODELS,
    *,
    references_field: str | None = None,
) -> str:
    """Return the exact id of the model that a client names.

    `references_field` is the field of the request's reference images, None if there are none.

    Raises:
        UnknownModel: it is neither in the model table nor an alias of this service.
        InvalidRequest: it is not text, or names a model that can't take the reference images.
    """
    if name is None or name == "":
        name = default_model
    if not isinstance(name, str):
        raise InvalidRequest("model is not text", field="model", action="Send it as text.")
    model_id = aliases.get(name)
    if references_field is not None:
        model_id = aliases.get(name + EDIT_SUFFIX, model_id)
    if model_id is None:
        model_id = _find_model(name, models)
    if references_field is not None and models[model_id].reference_images_max == 0:
        example = _example_for_edits(models)
        raise InvalidRequest(
            f"{model_id} generates images from text only and takes no {references_field}",
            field=references_field,
            action=f"Use a model that takes one by its exact id, such as {example}; if the client "
            f"can't, start the service with "
            f"STILLS_MODEL_ALIASES={_in_alias(name)}{EDIT_SUFFIX}={example}.",
        )
    return model_id


def list_names(
    aliases: Mapping[str, str], models: Mapping[str, Model] = MODELS
) -> Mapping[str, Model]:
    """Return the model of each name that a client may use."""
    named = {alias.removesuffix(EDIT_SUFFIX): models[aliases[alias]] for alias in aliases}
    plain = {alias: models[aliases[alias]] for alias in aliases if not alias.endswith(EDIT_SUFFIX)}
    return {**named, **models, **plain}


def returns_only_bytes(name: object, aliases: Mapping[str, str]) -> bool:
    """Return whether a name is an alias of an OpenAI model that never returns URLs."""
    return (
        isinstance(name, str)
        and (name in aliases or name + EDIT_SUFFIX in aliases)
        and _ONLY_BYTES.fullmatch(name) is not None
    )


def _find_model(name: str, models: Mapping[str, Model]) -> str:
    try:
        return find_model(name, models).id
    except UnknownModel as error:
        raise UnknownModel(
            f"{error.message}; if the client can't use another name, start the service with "
            f"STILLS_MODEL_ALIASES={_in_alias(name) or 'gpt-image-1'}=qwen-image-2.0",
            field="model",
            action=f"Use an exact id ({list_ids(models)}) or omit it.",
        ) from None


def _example_for_edits(models: Mapping[str, Model]) -> str:
    return next(
        one.id for one in models.values() if one.reference_images_max and one.retired_on is None
    )


def _in_alias(name: str) -> str:
    """Return a name without what would change the meaning of the variable in a shell."""
    return "".join(c for c in name[:40] if c.isascii() and (c.isalnum() or c in "-._/"))
