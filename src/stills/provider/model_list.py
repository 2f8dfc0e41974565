"""Reading the service's list of models, page by page; it is free.

`GET {base}/models?page_no=1&page_size=100` is what the SDK's `Models.list` sends (dashscope 2.0.2,
read 2026-11-26). It answers `{"output": {"total": 230, "models": [{"model": "qwen-image-2.0"}]}}`.
"""

from dataclasses import dataclass
from http import HTTPStatus

from stills.contract.errors import UnexpectedAnswer
from stills.provider.answers import Exchange, parse, read_answer, text_of

PAGE_SIZE = 100
_ID_MAX_CHARACTERS = 100
PAGES_MAX = 50
"""More models than any service has; a wrong answer could otherwise make Stills ask without end."""


@dataclass(frozen=True, slots=True)
class ModelPage:
    """The ids on one page, and how many the service has in all."""

    ids: tuple[str, ...]
    total: int


def read_model_page(exchange: Exchange, *, key: str) -> ModelPage:
    """Read one page of the list.

    Raises:
        StillsError: the answer is not one.
    """
    if exchange.status != HTTPStatus.OK:
        read_answer(exchange, model="", key=key, has_reference=False)
    output = parse(exchange.body).get("output")
    models = output.get("models") if isinstance(output, dict) else None
    total = output.get("total") if isinstance(output, dict) else None
    if not isinstance(models, list) or type(total) is not int:
        raise UnexpectedAnswer("the service's answer is not a list of models")
    ids = (text_of(one.get("model")) for one in models if isinstance(one, dict))
    return ModelPage(
        tuple(one for one in ids if one.isprintable() and 0 < len(one) <= _ID_MAX_CHARACTERS), total
    )
