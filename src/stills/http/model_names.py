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
) -> str:
    """Return the exact id of the model that a client names.

    Raises:
        UnknownModel: it is neither in the model table nor an alias of this service.
    """
    if name is None or name == "":
        return default_model
    if not isinstance(name, str):
        raise InvalidRequest("model is not text", field="model", action="Send it as text.")
    if name in aliases:
        return aliases[name]
    try:
        return find_model(name, models).id
    except UnknownModel as error:
        raise UnknownModel(
            f"{error.message}; if the client can't use another name, start the service with "
            f"STILLS_MODEL_ALIASES={_alias_example(name)}",
            field="model",
            action=f"Use an exact id ({list_ids(models)}) or omit it.",
        ) from None


def returns_only_bytes(name: object, aliases: Mapping[str, str]) -> bool:
    """Return whether a name is an alias of an OpenAI model that never returns URLs."""
    return isinstance(name, str) and name in aliases and _ONLY_BYTES.fullmatch(name) is not None


def _alias_example(name: str) -> str:
    alias = "".join(c for c in name[:40] if c.isascii() and (c.isalnum() or c in "-._/"))
    return f"{alias or 'gpt-image-1'}=qwen-image-2.0"
