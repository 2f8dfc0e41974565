"""A stub of DashScope that costs its client as little as possible.

It runs as a separate process, prints its base URL, and serves until its standard input ends. After
the requested latency, it answers every generation with a link to the same PNG of 1328*1328: about
2 MB of mild noise (see generation_cost.py), or a plain one of a few KB (batch_at_once.py).
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

SIZE = "1328*1328"


@contextmanager
def running(*, latency_seconds: float = 0.0, plain: bool = False) -> Iterator[str]:
    """Run the stub in a separate process; yields its base URL."""
    command = [sys.executable, __file__, str(latency_seconds), "plain" if plain else "noise"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def make_png(*, plain: bool = False) -> bytes:
    import pyvips  # noqa: PLC0415 - only the process that serves needs it

    width, height = (int(side) for side in SIZE.split("*"))
    sigma = 0 if plain else 2
    bands = [pyvips.Image.gaussnoise(width, height, mean=128, sigma=sigma) for _ in range(3)]
    image = bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")
    return image.pngsave_buffer(compression=6, filter="none")


async def serve(png: bytes, latency_seconds: float) -> None:
    runner = web.AppRunner(make_app(png, latency_seconds), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}/api/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def make_app(png: bytes, latency_seconds: float) -> web.Application:
    app = web.Application()

    async def generate(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(latency_seconds)
        image = {"image": f"http://{request.host}/{os.urandom(8).hex()}.png"}
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": [image]}}
        width, height = (int(side) for side in SIZE.split("*"))
        return web.json_response(
            {
                "output": {"choices": [choice]},
                "usage": {"width": width, "height": height, "image_count": 1},
                "request_id": os.urandom(16).hex(),
            }
        )

    async def download(request: web.Request) -> web.Response:
        del request
        return web.Response(body=png, content_type="image/png")

    app.router.add_post("/api/v1/services/aigc/multimodal-generation/generation", generate)
    app.router.add_get("/{name}.png", download)
    return app


if __name__ == "__main__":
    asyncio.run(serve(make_png(plain=sys.argv[2] == "plain"), float(sys.argv[1])))
