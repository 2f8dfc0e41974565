"""Tokens of a prompt: what the service reads, and what it cuts off without a word.

The limits count tokens of Qwen's tokenizer (API reference of qwen-image, read 2026-11-26).
"""

import unicodedata
from functools import cache
from typing import Any


def cut_to_tokens(text: str, limit: int | None) -> tuple[str, bool]:
    """Return the part of a text that a model reads, and whether that is less than all of it."""
    composed = unicodedata.normalize("NFC", text).encode(errors="surrogatepass")
    if limit is None or len(composed) <= limit:  # a token has at least one byte
        return text, False
    tokenizer = _load()
    tokens = tokenizer.encode(text)
    if len(tokens) <= limit:
        return text, False
    return tokenizer.decode(tokens[:limit], errors="ignore"), True


@cache
def _load() -> Any:  # noqa: ANN401 - the SDK is not typed
    from dashscope.tokenizers import get_tokenizer  # noqa: PLC0415 - takes half a second

    return get_tokenizer("qwen-image-max")
