"""A catalog of a million images: the time of each query, and the memory of upkeep.

Fills a SQLite catalog with images, calls and answers, 100,000 of the calls today, and runs the
queries of people and pipelines: an image, a page of a search, the amounts spent, and whether a call
fits under a day's cap. For scale, the same is measured with 1,000 images. CPU is that of the
process; the rest of the time, it waits for the disk (a call is synced twice) or for other work of
the machine.

Memory is the peak of `stills recover --rebuild` and `stills verify` on a store of tiny images, once
with half of them and once with all. The growth shows how much a million images would take.
"""

import argparse
import asyncio
import os
import random
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing
from stills.contract.generation import Claim, Generation, Inspection, Settlement, Stage
from stills.contract.models import DEFAULT_MODEL, find_model
from stills.contract.money import Caps
from stills.contract.request import ImageRequest
from stills.contract.search import ImageSearch
from stills.contract.size import Size
from stills.contract.spending import SpendBy
from stills.pipeline.object_names import object_path
from stills.pipeline.plan import make_plan
from stills.pipeline.sidecar import SIDECAR_FOLDER, sidecar_path, write_sidecar

IMAGES = 1_000_000
TODAY = 100_000
RARE = "zeppelin"
SIZE = Size(1328, 1328)
PRICE_USD = 0.075

STORED = 100_000
MEMORY_TARGET_MB = 200
LINKS_MAX = 50_000  # ext4 allows 65,000 names of one file
PIXELS = Size(16, 16)

Query = Callable[[SqliteCatalog], Awaitable[object]]

_WORDS = (
    "amber arch barge bridge canyon chapel cliff cloud coast copper courtyard crane dawn "
    "desert dusk ember estuary falcon fern ferry field fog forest fox fountain frost "
    "garden glacier glass harbour heron hill horse island jetty kestrel kite lamp lantern "
    "lighthouse marsh meadow mill mist moon moor mountain oak orchard otter owl palace "
    "path pier pine plain pond quarry rain raven reef ridge river road rock roof sail "
    "sand shore sky snow spire square stable star stone storm stream street sun swan "
    "tavern tide tower train valley village vine wall wave wharf wind window wolf wood "
    "yard"
)
_STYLES = ("", "35mm film", "watercolour", "ink", "noir")
_MODELS = ("qwen-image-max", "qwen-image-2.0", "qwen-image-2.0-pro")


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of a query: by the clock, and of CPU."""

    ms: float
    cpu_ms: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=IMAGES, metavar="N", help="1,000,000")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="per query: 20")
    parser.add_argument(
        "--stored", type=int, default=STORED, metavar="N", help="files to measure memory: 100,000"
    )
    parser.add_argument("--catalog", type=Path, metavar="FILE", help="a catalog filled before")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = options.catalog or folder / "large.db"
        measured = [
            asyncio.run(_measure(folder / "small.db", 1_000, options.rounds)),
            asyncio.run(_measure(large, options.images, options.rounds)),
        ]
        is_met = _report(options.images, *measured)
        peaks = [_measure_memory(folder, count) for count in (options.stored // 2, options.stored)]
    return 0 if _report_memory(options.stored, *peaks) and is_met else 1


async def _measure(path: Path, images: int, rounds: int) -> dict[str, Cost]:
    is_new = not path.exists()
    catalog = SqliteCatalog(path)
    await catalog.list_images(limit=1)
    began = time.perf_counter()
    if is_new:
        fill(path, images)
    print(f"{images:,} images, {path.stat().st_size / 1e9:.2f} GB", end=", ")
    print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
    costs = {}
    for name, (_, query) in _queries(images).items():
        of_query = []
        for _ in range(rounds):
            began, cpu = time.perf_counter(), time.process_time()
            await query(catalog)
            of_query.append((time.perf_counter() - began, time.process_time() - cpu))
        costs[name] = Cost(
            *(1000 * statistics.median(each) for each in zip(*of_query, strict=True))
        )
    await catalog.close()
    return costs


def _queries(images: int) -> dict[str, tuple[float | None, Query]]:
    """Return each query by its name, with its target in milliseconds."""
    any_id = lambda: f"{random.randrange(images):012x}"  # noqa: E731
    day = time.time() - time.time() % 86_400
    return {
        "find by key": (None, lambda c: c.find(f"key {random.randrange(images)}", SIZE)),
        "list the newest 20": (None, lambda c: c.list_images(limit=20)),
        "show a prefix": (5, lambda c: c.find_images(any_id()[:11])),
        "show an id": (5, lambda c: c.find_image(f"{any_id()}-1328x1328")),
        "search for a rare word": (50, lambda c: _search(c, RARE)),
        "search for a common word": (50, lambda c: _search(c, "lighthouse")),
        "search for an absent word": (50, lambda c: _search(c, "hippopotamus")),
        "search by style and model": (50, _search_by_style),
        "spend": (200, lambda c: c.spend(since=0.0, by=None)),
        "spend by day": (200, lambda c: c.spend(since=0.0, by=SpendBy.DAY)),
        "spend by style": (200, lambda c: c.spend(since=0.0, by=SpendBy.STYLE)),
        "spend of today by model": (200, lambda c: c.spend(since=day, by=SpendBy.MODEL)),
        "a call under a day's cap": (3, _capped_call),
    }


async def _search(catalog: SqliteCatalog, text: str) -> object:
    return await catalog.search_images(ImageSearch(text=text), limit=20, cursor=None)


async def _search_by_style(catalog: SqliteCatalog) -> object:
    search = ImageSearch(style="noir", model="qwen-image-2.0")
    return await catalog.search_images(search, limit=20, cursor=None)


async def _capped_call(catalog: SqliteCatalog) -> None:
    caps = Caps(day_usd=1e6, request_usd=1.0)
    request = ImageRequest(prompt="a kite", size=str(SIZE), seed=random.randrange(2**31))
    spec = make_plan(request, find_model(DEFAULT_MODEL), provider="dashscope").spec
    claim = await catalog.claim(spec, SIZE, lease_seconds=30.0, fresh=True, caps=caps)
    assert isinstance(claim, Claim)
    sends = await catalog.record_sends([claim], lease_seconds=30.0, caps=caps)
    assert sends is not None
    await catalog.settle_send(sends[0], Settlement(Billing.NONE, "refused"))
    await catalog.release(claim)


def fill(path: Path, images: int) -> None:
    """Write the rows that Stills would have written, a tenth of them sent today."""
    chosen = random.Random(1)
    now = time.time()
    today = now - now % 86_400

    def sent_at(number: int) -> float:
        since_newest = images - number
        if since_newest <= images * TODAY // IMAGES:
            return today + (now - today) * chosen.random()
        return today - since_newest * 60.0

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("folded", 1, str.casefold, deterministic=True)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for number in range(images):
            row = {
                "id": f"{number:012x}",
                "key": f"key {number}",
                "seeded_key": f"seeded {number}",
                "model": chosen.choice(_MODELS),
                "prompt": _prompt(chosen, number),
                "style": chosen.choice(_STYLES) or None,
                "sha256": f"{number:064x}",
                "path": f"20/{number:012x}.png",
                "sent_at": sent_at(number),
                "price": int(PRICE_USD * 1e9),
                "answered": time.strftime("%Y-%m-%d", time.gmtime(now - chosen.random() * 3e7)),
            }
            for statement in _INSERTS:
                connection.execute(statement, row)
        connection.execute(
            "INSERT INTO prompts (rowid, prompt) SELECT sequence, folded(prompt) FROM generations"
        )
        connection.execute("COMMIT")


def _prompt(chosen: random.Random, number: int) -> str:
    words = " ".join(chosen.choices(_WORDS.split(), k=30))
    return f"{words} {RARE}" if number % 333_333 == 300 else words


_INSERTS = (
    """
    INSERT INTO generations (
        id, key, seeded_key, provider, model, prompt, style, text, native_width, native_height,
        seed, price_nano_usd, stage, created_at, sha256, byte_count, object_path
    ) VALUES (
        :id, :key, :seeded_key, 'dashscope', :model, :prompt, :style, :prompt, 1328, 1328,
        7, :price, 'kept', :sent_at, :sha256, 2000000, :path
    )
    """,
    """
    INSERT INTO sends (generation_id, sent_at, settled_at, billing, code)
    VALUES (:id, :sent_at, :sent_at + 8, 'billed', 'answered')
    """,
    """
    INSERT INTO renditions (
        generation_id, width, height, sha256, byte_count, object_path, created_at
    ) VALUES (:id, 1328, 1328, :sha256, 2000000, :path, :sent_at)
    """,
    """
    INSERT INTO requests (key, generation_id, width, height, prompt, style, seed, first_asked_at)
    VALUES (:sha256, :id, 1328, 1328, :prompt, :style, 7, :sent_at)
    """,
    "INSERT INTO answers (request_key, day, paid, cached) VALUES (:sha256, :answered, 1, 2)",
)


def _measure_memory(folder: Path, images: int) -> dict[str, float]:
    """Return the peak memory of each command on a store of that many images, in MB."""
    output = folder / f"stored {images}"
    _store(output / "ai-image-qwen-image" / "images", images)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OUTPUT_DIR": str(output),
        "STILLS_SPOOL": str(output / "spool"),
    }
    peaks = {}
    for command in ("recover --rebuild", "verify"):
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "stills", *command.split()],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"stills {command} failed with {process.returncode}")
        peaks[command] = usage.ru_maxrss / 1024
        print(f"stills {command}, {images:,} images: {peaks[command]:.0f} MB", end=", ")
        print(f"{time.perf_counter() - began:.0f} s", flush=True)
    return peaks


def _store(folder: Path, images: int) -> None:
    """Write images and sidecars, as Stills stores them; equal images are links to one file."""
    (folder / SIDECAR_FOLDER).mkdir(parents=True)
    png = _png(PIXELS)
    inspection = Inspection(PIXELS, sha256(png).hexdigest(), len(png))
    chosen = random.Random(1)
    first = folder / "unused"
    for number in range(images):
        prompt = _prompt(chosen, number)
        spec = make_plan(
            ImageRequest(prompt=prompt, size=str(SIZE), seed=number),
            find_model(DEFAULT_MODEL),
            provider="dashscope",
        ).spec
        spec = replace(spec, native_size=PIXELS)
        generation = Generation(f"{number:012x}", spec, Stage.KEPT, created_at=1e9 + number)
        path = object_path(spec, generation.id, PIXELS)
        written = write_sidecar(generation, inspection, path=path)
        (folder / sidecar_path(generation.id)).write_bytes(written)
        if number % LINKS_MAX == 0:
            first = folder / path
            first.write_bytes(png)
        else:
            (folder / path).hardlink_to(first)


def _png(size: Size) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    rows = (b"\0" + b"\x40\x80\xc0" * size.width) * size.height
    header = struct.pack(">IIBBBBB", size.width, size.height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _report(images: int, small: dict[str, Cost], large: dict[str, Cost]) -> bool:
    print(f"\n{'median, in ms':28}{'1,000':>10}{f'{images:,}':>12}{'CPU':>10}{'target':>9}")
    is_met = True
    for name, (target_ms, _) in _queries(images).items():
        cost = large[name]
        missed = target_ms is not None and cost.ms > target_ms
        is_met = is_met and not missed
        target = "" if target_ms is None else f"{target_ms:g}"
        line = f"{name:28}{small[name].ms:>10.2f}{cost.ms:>12.2f}{cost.cpu_ms:>10.2f}{target:>9}"
        print(f"{line}  MISSED" if missed else line)
    print(flush=True)
    return is_met


def _report_memory(stored: int, few: dict[str, float], many: dict[str, float]) -> bool:
    is_met = True
    for command, peak in many.items():
        growth = (peak - few[command]) / (stored - stored // 2)
        expected = max(peak, peak + growth * (IMAGES - stored))
        missed = expected > MEMORY_TARGET_MB
        is_met = is_met and not missed
        line = f"stills {command}: {growth * 2**20:.0f} bytes per image, so {expected:.0f} MB for"
        print(f"{line} {IMAGES:,}; target {MEMORY_TARGET_MB}{'  MISSED' if missed else ''}")
    return is_met


if __name__ == "__main__":
    sys.exit(main())
