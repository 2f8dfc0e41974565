"""Decompress the bodies of requests, within a limit that a small body can't exceed."""

import zlib

from stills.contract.errors import InvalidRequest

GZIP = "gzip"
_GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS


def decompress(body: bytes, max_bytes: int) -> bytes | None:
    """Return the content of a gzip body, or None if it is over the limit.

    Raises:
        InvalidRequest: it is not complete gzip.
    """
    content: list[bytes] = []
    left = max_bytes + 1  # one more, to know whether it is over
    while body and left:
        member = zlib.decompressobj(_GZIP_WINDOW_BITS)
        try:
            content.append(member.decompress(body, left))
        except zlib.error:
            raise _not_gzip() from None
        left -= len(content[-1])
        if left and not member.eof:
            raise _not_gzip()
        body = member.unused_data
    return b"".join(content) if left else None


def _not_gzip() -> InvalidRequest:
    return InvalidRequest(
        "the body is not complete gzip, although Content-Encoding says so",
        field="Content-Encoding",
        action="Send it again, or without compression.",
    )
