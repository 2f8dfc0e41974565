"""A stub of DashScope with 200 ms latency and next to no work of its own: see batch_at_once.py.

Run as a process of its own, it prints its base URL and serves until its standard input ends. Every
image is the same PNG: 1328*1328, of one colour, a few KB.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

LATENCY_SECONDS = 0.2
WIDTH = HEIGHT = 1328


@contextmanager
def running() -> Iterator[str]:
    """Run the stub in a process of its own, and give its base URL."""
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def make_png() -> bytes:
    import pyvips  # noqa: PLC0415 - only the process that serves needs it

    plain = pyvips.Image.black(WIDTH, HEIGHT, bands=3).copy(interpretation="srgb")
    return plain.pngsave_buffer(compression=6, filter="none")


async def serve(png: bytes) -> None:
    runner = web.AppRunner(make_app(png), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}/api/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def make_app(png: bytes) -> web.Application:
    app = web.Application()

    async def generate(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(LATENCY_SECONDS)
        image = {"image": f"http://{request.host}/{os.urandom(8).hex()}.png"}
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": [image]}}
        return web.json_response(
            {
                "output": {"choices": [choice]},
                "usage": {"width": WIDTH, "height": HEIGHT, "image_count": 1},
                "request_id": os.urandom(16).hex(),
            }
        )

    async def download(_: web.Request) -> web.Response:
        return web.Response(body=png, content_type="image/png")

    app.router.add_post("/api/v1/services/aigc/multimodal-generation/generation", generate)
    app.router.add_get("/{name}.png", download)
    return app


if __name__ == "__main__":
    asyncio.run(serve(make_png()))
