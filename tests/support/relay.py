"""A relay between a listening socket and a server, which can be taken away."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextmanager
def relay(listener: socket.socket, connect: Callable[[], Awaitable[Streams]]) -> Iterator[None]:
    """Pass connections on, in a thread of its own, until the block ends: it breaks them off."""
    started, ended, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    passing: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing.add(asyncio.current_task())
        ends = [writer]
        try:
            there_reader, there_writer = await connect()
            ends.append(there_writer)
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            for end in ends:
                end.transport.abort()

    async def serve() -> None:
        server = await asyncio.start_server(accept, sock=listener)
        started.set()
        await ended.wait()
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        await server.wait_closed()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        thread = threading.Thread(target=runner.run, args=(serve(),))
        thread.start()
        started.wait(20)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
