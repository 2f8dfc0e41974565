"""Server-sent events: what a request's task emits, and comments while it is silent."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from stills.contract.errors import StillsError
from stills.http.access_log import get_log_entry
from stills.http.errors import error_answer

STREAM = "text/event-stream"
Emit = Callable[[bytes], None]
"""Sends an event, a part of one, or a comment."""

COMMENT = b": keep-alive\n\n"
_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def write_event(name: str, data: Mapping[str, Any]) -> bytes:
    """Write an event with JSON data."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def write_error(error: StillsError, *, in_openai_shape: bool = False) -> bytes:
    """Write the event `error`, in the format of every other error."""
    body = json.loads(bytes(error_answer(error, in_openai_shape=in_openai_shape).body))
    # OpenAI's clients read the type of each event in its data.
    return write_event("error", {"type": "error", **body} if in_openai_shape else body)


def write_refusal(answer: Response) -> bytes:
    """Write the event `error` with the body of an answer."""
    return b"event: error\ndata: " + bytes(answer.body) + b"\n\n"


async def answer_events(
    events: AsyncGenerator[bytes], headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with events as soon as there is one.

    Raises:
        StillsError: the first error, if nothing was emitted before it.
    """
    first = await anext(events)

    async def send() -> AsyncGenerator[bytes]:
        async with aclosing(events):
            yield first
            async for event in events:
                yield event

    return StreamingResponse(send(), media_type=STREAM, headers={**_UNBUFFERED, **(headers or {})})


async def stream_events(
    request: Request,
    work: Callable[[Emit], Awaitable[None]],
    keep_alive_seconds: float,
    *,
    in_openai_shape: bool = False,
) -> AsyncGenerator[bytes]:
    """Yield what `work` emits, then its error if it fails.

    If the client leaves, a generation that still waits for its start is cancelled; one that was
    sent is finished and stored.

    Raises:
        StillsError: `work` failed before it emitted anything.
    """
    events: asyncio.Queue[bytes | StillsError | None] = asyncio.Queue()

    async def run() -> None:
        try:
            await work(events.put_nowait)
        except StillsError as error:
            events.put_nowait(error)
        finally:
            events.put_nowait(None)

    working = asyncio.create_task(run())
    has_begun = False
    try:
        while True:
            try:
                event = await asyncio.wait_for(events.get(), keep_alive_seconds)
            except TimeoutError:
                event = COMMENT
            if event is None:
                break
            if isinstance(event, StillsError):
                if not has_begun:
                    raise event
                get_log_entry(request).error = event.code
                event = write_error(event, in_openai_shape=in_openai_shape)
            has_begun = True
            yield event
        await working
    except (asyncio.CancelledError, GeneratorExit):
        get_log_entry(request).error = "caller_left"
        raise
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
