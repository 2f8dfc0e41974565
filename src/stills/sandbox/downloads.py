"""Result URLs, as the object store serves them, and what can go wrong with a download."""

import asyncio
from contextlib import suppress

from aiohttp import hdrs, web

from stills.sandbox.broken_png import BREAKS, break_pixels
from stills.sandbox.faults import Fault, FaultKind
from stills.sandbox.images import ImageRecipe, RejectedUrl
from stills.sandbox.ledger import SendKind
from stills.sandbox.state import SandboxState, drop_connection, new_request_id

_HTML_PAGE = b"<!doctype html><title>Please sign in</title><p>This is not an image.</p>\n"


class DownloadEndpoint:
    """Serves images by their signed URLs."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer one GET or HEAD and close its entry in the ledger; no fault happens to a HEAD."""
        ledger, request_id = self._state.ledger, new_request_id()
        seq = ledger.open(SendKind.DOWNLOAD, request_id)
        file_name = request.match_info["file_name"]
        ledger.note(seq, file_name=file_name)
        try:
            image = self._state.images.find(file_name, request.query)
            response = await self._serve(request, image, seq)
        except RejectedUrl as error:
            ledger.note(seq, status=error.status, code=error.code, finished=True)
            document = error.to_xml(request_id)
            return web.Response(status=error.status, text=document, content_type="application/xml")
        ledger.note(seq, finished=True)
        return response

    async def _serve(
        self, request: web.Request, image: ImageRecipe, seq: int
    ) -> web.StreamResponse:
        ledger = self._state.ledger
        is_head = request.method == hdrs.METH_HEAD
        fault = None if is_head else self._state.faults.for_download(image.accepted.text)
        kind = fault.kind if fault else None
        ledger.note(
            seq, fault=kind, model=image.accepted.model, prompt=image.accepted.text, seed=image.seed
        )
        if kind is FaultKind.DEAD_URL:
            raise RejectedUrl(403, "AccessDenied", "You have no right to access this object.")
        ledger.note(seq, status=200)
        if kind is FaultKind.NOT_A_PNG:
            return web.Response(body=_HTML_PAGE, content_type="text/html")
        scale_divisor = 2 if kind is FaultKind.WRONG_SIZE_PNG else 1
        png = await self._state.run_in_thread(lambda: image.render(scale_divisor))
        if kind is FaultKind.TRUNCATED_PNG:
            png = png[: len(png) // 2]
        if kind is FaultKind.CORRUPT_PNG:
            png = _corrupt(png)
        if fault and fault.kind in BREAKS:
            png = break_pixels(png, fault.kind)
        if fault and kind in {FaultKind.SLOW_DOWNLOAD, FaultKind.DROP_DOWNLOAD}:
            return await _send_in_halves(request, png, fault)
        response = _whole_or_part(request, png)
        ledger.note(seq, status=response.status)
        return response


def _whole_or_part(request: web.Request, png: bytes) -> web.Response:
    """Return the image or, as OSS does, the one range of bytes that was asked for."""
    headers = {"Accept-Ranges": "bytes"}
    try:
        wanted = request.http_range
    except ValueError:
        wanted = slice(None)  # OSS ignores what is not one valid range
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=png, content_type="image/png", headers=headers)
    start, stop, _ = wanted.indices(len(png))
    if start >= stop:
        raise RejectedUrl(416, "InvalidRange", "The requested range cannot be satisfied.")
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(png)}"
    return web.Response(status=206, body=png[start:stop], content_type="image/png", headers=headers)


def _corrupt(png: bytes) -> bytes:
    """Flip a few bytes in the middle, which in a placeholder always is image data (IDAT)."""
    middle = len(png) // 2
    flipped = bytes(byte ^ 0xFF for byte in png[middle : middle + 4])
    return png[:middle] + flipped + png[middle + 4 :]


async def _send_in_halves(request: web.Request, png: bytes, fault: Fault) -> web.StreamResponse:
    """Send the first half, then stall or drop the connection."""
    response = web.StreamResponse()
    response.content_type = "image/png"
    response.content_length = len(png)
    await response.prepare(request)
    await response.write(png[: len(png) // 2])
    if fault.kind is FaultKind.DROP_DOWNLOAD:
        return drop_connection(request)
    await asyncio.sleep(fault.delay_seconds)
    with suppress(ConnectionResetError):  # the client may have given up
        await response.write(png[len(png) // 2 :])
        await response.write_eof()
    return response
