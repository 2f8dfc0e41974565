"""Cost of a generation: client CPU per image of Stills, compared with the bare SDK and a download.

32 concurrent requests, on a stub that immediately returns 2 MB PNGs (fast_stub.py, whose own CPU is
not counted). Each client runs in a separate process, in turn. The bare client is what the SDK's and
aiohttp's documentation show: a call, then the body streamed to a file in chunks of 64 KiB. The lean
one writes chunks of any size as they arrive. The careful one also hashes the image and syncs it to
the disk, and the checking one also decodes its pixels, as Stills does. The parent process deletes
the images, because on a virtual machine new memory for the page cache can cost more than everything
else. Target: Stills takes at most twice the CPU of the bare client.
"""

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import fast_stub

TARGET = 2.0
AT_ONCE = 32
IMAGES = 320
WARM_UP = 32
PIECE = 64 * 1024
MODEL = "qwen-image-max"

Make = Callable[[int], Awaitable[None]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="5")
    parser.add_argument("--images", type=int, default=IMAGES, metavar="N", help="320")
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        client = CLIENTS[options.client]
        asyncio.run(client(options.base_url, Path(options.folder), options.images))
        return 0
    return _report(measure(options.rounds, options.images))


def measure(rounds: int, images: int = IMAGES) -> list[dict[str, dict[str, float]]]:
    """Run all clients in turn; returns the figures of each round by client."""
    with fast_stub.running() as base_url:
        return [
            {name: _in_own_process(name, base_url, images) for name in CLIENTS}
            for _ in range(rounds)
        ]


async def stills(base_url: str, folder: Path, images: int) -> None:
    from stills import ImageRequest, Stills  # noqa: PLC0415 - each client loads only its own

    environment = {
        "DASHSCOPE_API_KEY": "sk-stub",
        "STILLS_RATE_LIMIT": "none",
        "DASHSCOPE_HTTP_BASE_URL": base_url,
        "OUTPUT_DIR": str(folder),
        "STILLS_SPOOL": str(folder / "spool"),
    }
    async with Stills.from_env(environment=environment) as opened:

        async def make(number: int) -> None:
            request = ImageRequest(prompt=f"a red kite {number}", size=fast_stub.SIZE, seed=number)
            await opened.generate(request)

        await _measure(make, images)


async def bare(
    base_url: str,
    folder: Path,
    images: int,
    *,
    lean: bool = False,
    careful: bool = False,
    checking: bool = False,
) -> None:
    import aiohttp  # noqa: PLC0415
    from dashscope.aigc.image_generation import AioImageGeneration  # noqa: PLC0415
    from dashscope.api_entities.aio_session import close_shared_aio_session  # noqa: PLC0415

    async with aiohttp.ClientSession() as session:

        async def make(number: int) -> None:
            answer = await AioImageGeneration.call(
                model=MODEL,
                api_key="sk-stub",
                messages=[{"role": "user", "content": [{"text": f"a red kite {number}"}]}],
                base_address=base_url,
                size=fast_stub.SIZE,
                seed=number,
            )
            url = answer.output.choices[0].message.content[0]["image"]
            async with session.get(url) as response:
                path, digest, received = folder / f"{number}.png", hashlib.sha256(), []
                with path.open("wb") as file:
                    content = response.content
                    async for chunk in content.iter_any() if lean else content.iter_chunked(PIECE):
                        file.write(chunk)
                        if careful:
                            digest.update(chunk)
                        if checking:
                            received.append(chunk)
                    if careful:
                        file.flush()
                        os.fsync(file.fileno())
            if checking:
                await asyncio.to_thread(_decode, b"".join(received))

        await _measure(make, images)
    await close_shared_aio_session()


def _decode(png: bytes) -> None:
    import pyvips  # noqa: PLC0415

    pyvips.Image.new_from_buffer(png, "", access="sequential", fail_on="error").avg()


CLIENTS = {
    "stills": stills,
    "bare": bare,
    "lean": partial(bare, lean=True),
    "careful": partial(bare, lean=True, careful=True),
    "checking": partial(bare, lean=True, careful=True, checking=True),
}


async def _measure(make: Make, images: int) -> None:
    """Print the CPU of this process, all threads, user and system, per image."""
    await _make_all(make, range(WARM_UP))
    cpu, wall = time.process_time(), time.perf_counter()
    await _make_all(make, range(WARM_UP, WARM_UP + images))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(json.dumps({"cpu_ms": 1000 * cpu / images, "images_per_second": images / wall}))


async def _make_all(make: Make, numbers: range) -> None:
    waiting = iter(numbers)

    async def work() -> None:
        for number in waiting:
            await make(number)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _in_own_process(client: str, base_url: str, images: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--client", client, "--base-url", base_url]
    command += ["--images", str(images)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [*command, "--folder", folder], stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        while process.poll() is None:
            _remove_older_images(Path(folder))
            time.sleep(0.1)
        printed, _ = process.communicate()
        return json.loads(printed)


def _remove_older_images(folder: Path) -> None:
    """Remove the images that clients have finished with."""
    oldest = time.time() - 1.0
    for image in folder.rglob("*.png"):
        with suppress(FileNotFoundError):
            if image.stat().st_mtime < oldest:
                image.unlink()


def _report(rounds: list[dict[str, dict[str, float]]]) -> int:
    print(f"{'':12}{'CPU per image, median':>24}{'least':>12}{'images/s, median':>20}")
    cpu = {name: [one[name]["cpu_ms"] for one in rounds] for name in CLIENTS}
    for name, values in cpu.items():
        speed = statistics.median(one[name]["images_per_second"] for one in rounds)
        print(f"{name:12}{statistics.median(values):21.1f} ms{min(values):9.1f} ms{speed:20.1f}")
    ratio = statistics.median(cpu["stills"]) / statistics.median(cpu["bare"])
    met = ratio <= TARGET
    print(f"stills takes {ratio:.2f} times the CPU of the bare SDK and a download")
    print(f"target: at most {TARGET:.2f} times: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
