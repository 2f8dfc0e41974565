"""Answers of the service, and what they are read as."""

import json

import pytest

from stills.contract.errors import StillsError
from stills.provider.answers import Exchange, read_answer

KEY = "sk-sandbox-QZ7recognisable0key9SUFFIX"
URL = "https://dashscope-result.oss.example/a.png?Expires=2000000000&Signature=x"


def image(url: object) -> dict[str, object]:
    content = {"output": {"choices": [{"message": {"content": [{"image": url}]}}]}}
    return content | {"request_id": "r-1"}


def read(
    body: object,
    *,
    status: int = 200,
    model: str = "qwen-image-max",
    has_reference: bool = False,
    **headers: str,
):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    exchange = Exchange(status, given, raw)
    return read_answer(exchange, model=model, key=KEY, has_reference=has_reference)


def failure(body: object, **options) -> StillsError:
    with pytest.raises(StillsError) as caught:
        read(body, **options)
    return caught.value


def refusal(code: str, message: str = "as it says") -> dict[str, str]:
    return {"code": code, "message": message, "request_id": "r-1"}
