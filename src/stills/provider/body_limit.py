"""Bodies of answers, read up to a limit: what comes over the wire may be a bomb.

The limit is on the bytes after decompression, of which aiohttp gives out a little at a time (since
3.14): so no more than the limit is ever held, whatever the body claims to be.
"""

import aiohttp

from stills.contract.generation import Chunks

# A real answer has about 1 KiB. Python's JSON objects take up to 60 times the text's bytes.
ANSWER_MAX_BYTES = 1024 * 1024


class BodyTooLarge(Exception):
    """A body goes on past the limit."""


async def read_up_to(response: aiohttp.ClientResponse, max_bytes: int) -> Chunks:
    """Read a body of at most `max_bytes`.

    Raises:
        BodyTooLarge: there is more; the caller closes the response.
    """
    pieces: list[bytes] = []
    byte_count = 0
    async for piece in response.content.iter_any():
        byte_count += len(piece)
        if byte_count > max_bytes:
            raise BodyTooLarge
        pieces.append(piece)
    return pieces


class BoundedResponse(aiohttp.ClientResponse):
    """An answer whose body is read up to `ANSWER_MAX_BYTES`, by us as by the SDK."""

    async def read(self) -> bytes:
        """Read the whole body.

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
