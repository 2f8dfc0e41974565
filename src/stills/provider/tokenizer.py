"""Qwen's tokenizer, which the SDK brings; loaded at the first count, because that is slow."""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Protocol, cast

from stills.contract.errors import LibraryFailed

_ANY_QWEN_MODEL = "qwen-max"  # the SDK has one vocabulary for all of them


class _Encoder(Protocol):
    def encode(self, text: str) -> Sequence[int]: ...


class QwenTokenizer:
    """Implements the port Tokenizer."""

    def __init__(self) -> None:
        self._loading = asyncio.Lock()

    async def count(self, texts: Sequence[str]) -> Sequence[int]:
        async with self._loading:
            try:
                encoder = await asyncio.to_thread(_load)
            except (ImportError, OSError) as error:
                raise LibraryFailed(
                    f"the tokenizer that counts a prompt's tokens can't be loaded: {error}"
                ) from error
        return await asyncio.to_thread(lambda: [len(encoder.encode(text)) for text in texts])


@cache
def _load() -> _Encoder:
    from dashscope.tokenizers import get_tokenizer  # noqa: PLC0415 - takes half a second

    return cast("_Encoder", get_tokenizer(_ANY_QWEN_MODEL))
