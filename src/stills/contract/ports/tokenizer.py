"""The tokenizer: counts what the service's limits of prompts count."""

from collections.abc import Sequence
from typing import Protocol


class Tokenizer(Protocol):
    """Counts tokens as the models do."""

    async def count(self, texts: Sequence[str]) -> Sequence[int]:
        """Return the number of tokens of each text, without blocking the event loop.

        Raises:
            LibraryFailed: the tokenizer can't be loaded.
        """
        ...
