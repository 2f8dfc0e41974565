"""Response bodies, read up to a limit, because a body may be a decompression bomb.

The limit applies to decompressed bytes. aiohttp (since 3.14) decompresses a little at a time, so
memory never holds more than the limit.
"""

import aiohttp

from stills.contract.generation import Chunks

# A real answer has about 1 KiB. Parsed JSON can take 60 times the memory of its text.
ANSWER_MAX_BYTES = 1024 * 1024


class BodyTooLarge(Exception):
    """A body is over the limit."""


async def read_up_to(response: aiohttp.ClientResponse, max_bytes: int) -> Chunks:
    """Read a body of at most `max_bytes`.

    Raises:
        BodyTooLarge: it is longer; the caller closes the response.
    """
    chunks: list[bytes] = []
    byte_count = 0
    async for chunk in response.content.iter_any():
        byte_count += len(chunk)
        if byte_count > max_bytes:
            raise BodyTooLarge
        chunks.append(chunk)
    return chunks


class BoundedResponse(aiohttp.ClientResponse):
    """A response that neither we nor the SDK read beyond `ANSWER_MAX_BYTES`."""

    async def read(self) -> bytes:
        """Read the complete body.

        Raises:
            BodyTooLarge: it is over the limit.
        """
        if self._body is None:
            try:
                self._body = b"".join(await read_up_to(self, ANSWER_MAX_BYTES))
            except BaseException:
                self.close()
                raise
        return await super().read()
