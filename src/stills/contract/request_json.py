"""A request's JSON text."""

import json
from typing import Any

from stills.contract.errors import InvalidRequest
from stills.contract.strict_json import STRICT, RepeatedKey, explain

_EXAMPLE = 'Write an object such as {"prompt": "a red kite", "size": "1024*1024"}.'


def parse_request(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object; its fields are not checked.

    Raises:
        InvalidRequest: it is not a JSON object, or repeats a field.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text))
        given = STRICT.decode(text.removeprefix("\ufeff"))
    except RepeatedKey as error:
        raise InvalidRequest(
            f"the request has {error.key!r} twice",
            field=error.key,
            action=f"Keep one {error.key!r}.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"the request is not JSON: {explain(error)}", action=_EXAMPLE
        ) from None
    if not isinstance(given, dict):
        raise InvalidRequest("the request is not a JSON object", action=_EXAMPLE)
    return given
