"""The catalog on Postgres and on SQLite: cached answers over HTTP, and complete cycles.

A temporary Postgres server is started on this machine; it syncs to disk. Cached answers: `stills
serve` with one worker and its log, 32 connections of wrk, as in http_answers.py. A cycle is what
the catalog does for one new image, from the look-up to the answer: 32 at once in one process,
without a provider and without files. Both catalogs take turns. CPU is that of the process with the
catalog and, for Postgres, of the server's processes. The targets: 1,500 answers per second where
SQLite gives 2,144, which is 0.70 of it on another machine, and 200 cycles per second.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import http_answers
import kept_catalog

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.postgres_server import PostgresServer, run_postgres

from stills.catalog import SqliteCatalog
from stills.catalog.postgres import PostgresCatalog
from stills.contract.errors import Billing
from stills.contract.generation import (
    CatalogMiss,
    Claim,
    ProviderAnswer,
    Rendition,
    RequestRecord,
    Settlement,
)
from stills.contract.models import DEFAULT_MODEL, find_model
from stills.contract.money import Caps
from stills.pipeline.plan import make_plan

SQLITE, POSTGRES = "SQLite", "Postgres"
ANSWERS_TARGET, ANSWERS_OF_SQLITE, CYCLES_TARGET = 1_500, 2_144, 200
AT_ONCE = 32
CYCLES = 1_000
WARM_UP_CYCLES = 200
LEASE_SECONDS = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Speed:
    """How many per second, and milliseconds of CPU for each: of the client and of the server."""

    rate: float
    client_ms: float
    server_ms: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of each: 3")
    parser.add_argument("--seconds", type=int, default=5, metavar="N", help="of HTTP a round: 5")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_postgres(is_synced=True) as server:
        server.run("CREATE DATABASE cycles")
        answers = _measure_answers(Path(folder), server, options)
        cycles = asyncio.run(_measure_cycles(Path(folder), server, options.rounds))
    met = [
        _report(
            "cached answers over HTTP", answers, ANSWERS_TARGET, ANSWERS_TARGET / ANSWERS_OF_SQLITE
        ),
        _report("cycles in one process", cycles, CYCLES_TARGET),
    ]
    return 0 if all(met) else 1


def _measure_answers(
    folder: Path, server: PostgresServer, options: argparse.Namespace
) -> dict[str, list[Speed]]:
    bodies = [json.dumps(body) for body in http_answers.bodies_to_post()]
    script = folder / "post.lua"
    quoted = ", ".join(f"[==[{body}]==]" for body in bodies)
    script.write_text(http_answers.POST % quoted, encoding="utf-8")
    speeds: dict[str, list[Speed]] = {SQLITE: [], POSTGRES: []}
    with (
        _serving(folder / SQLITE, {}) as sqlite,
        _serving(folder / POSTGRES, {"STILLS_CATALOG": server.url("postgres").secret}) as postgres,
    ):
        served = {SQLITE: sqlite, POSTGRES: postgres}
        for url, _ in served.values():
            http_answers.post(url, script, 1, AT_ONCE)
        for _ in range(options.rounds):
            for name, (url, pid) in served.items():
                client, backends = _cpu_ms(pid), _server_ms(server)
                rate = http_answers.post(url, script, options.seconds, AT_ONCE).rate
                number = rate * options.seconds
                speeds[name].append(
                    Speed(
                        rate,
                        (_cpu_ms(pid) - client) / number,
                        (_server_ms(server) - backends) / number,
                    )
                )
    return speeds


@contextmanager
def _serving(folder: Path, catalog: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    folder.mkdir()
    asyncio.run(http_answers.fill(folder, catalog))
    with http_answers.serving(folder, catalog) as (url, process):
        yield url, process.pid


async def _measure_cycles(
    folder: Path, server: PostgresServer, rounds: int
) -> dict[str, list[Speed]]:
    catalogs = {
        SQLITE: SqliteCatalog(folder / "cycles.db"),
        POSTGRES: PostgresCatalog(server.url("cycles")),
    }
    speeds: dict[str, list[Speed]] = {name: [] for name in catalogs}
    for catalog in catalogs.values():
        await _run_cycles(catalog, range(WARM_UP_CYCLES))
    server.run("ANALYZE", "cycles")  # a server does so within a minute
    for turn in range(1, rounds + 1):
        for name, catalog in catalogs.items():
            began, client, backends = time.perf_counter(), time.process_time(), _server_ms(server)
            await _run_cycles(catalog, range(turn * CYCLES, (turn + 1) * CYCLES))
            seconds = time.perf_counter() - began
            client_ms = 1000 * (time.process_time() - client) / CYCLES
            server_ms = (_server_ms(server) - backends) / CYCLES
            speeds[name].append(Speed(CYCLES / seconds, client_ms, server_ms))
    for catalog in catalogs.values():
        await catalog.close()
    return speeds


async def _run_cycles(catalog: SqliteCatalog | PostgresCatalog, numbers: range) -> None:
    waiting = iter(numbers)

    async def work() -> None:
        for number in waiting:
            await _run_cycle(catalog, number)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _run_cycle(catalog: SqliteCatalog | PostgresCatalog, number: int) -> None:
    """Do what the pipeline's steps do in the catalog for one new image."""
    request = kept_catalog.request(number)
    spec = make_plan(request, find_model(DEFAULT_MODEL), provider="dashscope").spec
    size, digest = request.output_size, f"{number:064x}"
    assert await catalog.find(spec.key, size) == CatalogMiss()
    claim = await catalog.claim(spec, size, lease_seconds=LEASE_SECONDS, fresh=False, caps=Caps())
    assert isinstance(claim, Claim)
    sends = await catalog.record_sends([claim], lease_seconds=LEASE_SECONDS, caps=Caps())
    assert sends is not None
    identifier = claim.generation.id
    await catalog.record_answer(
        identifier,
        ProviderAnswer("https://images.example/1.png", time.time() + 86_400, "request"),
        send=sends[0],
        settlement=Settlement(Billing.BILLED, "answered", "request"),
    )
    path = f"{identifier[:2]}/{identifier}.png"
    await catalog.record_kept(identifier, sha256=digest, byte_count=2_000_000, object_path=path)
    record = RequestRecord(request.prompt, size, None, None, request.seed, ())
    await catalog.record_requests([(Rendition(identifier, size, digest, 2_000_000, path), record)])


def _server_ms(server: PostgresServer) -> float:
    """Return the CPU that the server's processes have used, without those that ended."""
    postmaster = (server.folder / "data" / "postmaster.pid").read_text().splitlines()[0]
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return sum(_cpu_ms(int(pid)) for pid in children)


def _cpu_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / TICKS


def _report(
    what: str, speeds: dict[str, list[Speed]], target: int, target_ratio: float | None = None
) -> bool:
    print(f"{what:26}{'per second':>11}{'range':>16}{'client CPU':>14}{'server CPU':>14}")
    medians = {}
    for name, of_catalog in speeds.items():
        rates = [speed.rate for speed in of_catalog]
        medians[name] = statistics.median(rates)
        client = statistics.median(speed.client_ms for speed in of_catalog)
        backends = statistics.median(speed.server_ms for speed in of_catalog)
        extent = f"{min(rates):,.0f} to {max(rates):,.0f}"
        line = f"{name:26}{medians[name]:>11,.0f}{extent:>16}{client:>11.2f} ms"
        print(line if name == SQLITE else f"{line}{backends:>11.2f} ms")
    ratio = medians[POSTGRES] / medians[SQLITE]
    met = medians[POSTGRES] >= target or (target_ratio is not None and ratio >= target_ratio)
    or_ratio = "" if target_ratio is None else f" or {target_ratio:.2f}"
    print(f"ratio {ratio:.2f}; target: {target:,}/s{or_ratio}: {'met' if met else 'MISSED'}\n")
    return met


if __name__ == "__main__":
    sys.exit(main())
