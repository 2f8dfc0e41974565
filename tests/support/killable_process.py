"""Runs Stills in processes that tests kill and pause.

Reads jobs from standard input, one per line, and forks a process for each, so that modules are
imported only once. Writes events to standard output, one JSON object per line.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyvips  # noqa: F401 - loaded before the first fork

import stills.provider.dashscope  # noqa: F401
from stills.app import Stills
from stills.assembly import build_ports, use_dashscope
from stills.config import read_config
from stills.contract.errors import StillsError
from stills.contract.generation import Stage
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.pipeline.policy import Policy


def emit(**event: Any) -> None:
    os.write(1, json.dumps(event).encode() + b"\n")  # one write, so a kill can't split it


def open_stills(job: dict[str, Any]) -> Stills:
    if "policy" not in job:
        return Stills.from_env()
    config = read_config()
    ports = build_ports(config, use_dashscope(config))
    return Stills(ports, policy=Policy(**job["policy"]))


async def read(stills: Stills, result: ImageResult) -> bytes:
    url = urlsplit(result.image_url)
    if url.scheme == "file":
        return Path(unquote(url.path)).read_bytes()
    return await stills.images.read(await stills.images.find(result.id))


async def work(job: dict[str, Any]) -> None:
    gate = asyncio.Semaphore(job.get("at_once", len(job["requests"])))
    async with open_stills(job) as stills:

        async def ask(asked: dict[str, Any]) -> None:
            request = ImageRequest.from_mapping(
                {name: value for name, value in asked.items() if name != "takes"}
            )

            def tell(_: int, stage: Stage) -> None:
                emit(event=stage, prompt=asked["prompt"])
                if stage == job.get("pause_at"):
                    del job["pause_at"]  # a claim that is lost is reached again
                    os.kill(os.getpid(), signal.SIGSTOP)

            async with gate:
                try:
                    results = await stills.generate_takes(
                        request,
                        takes=asked.get("takes", 1),
                        model=job.get("model"),
                        fresh=job.get("fresh", False),
                        on_stage=tell,
                    )
                except StillsError as error:
                    emit(
                        event="failed",
                        prompt=asked["prompt"],
                        error=f"{error.message}. {error.action}",
                        billing=error.billing,
                    )
                    return
            for result in results:
                digest = hashlib.sha256(await read(stills, result)).hexdigest()
                emit(event="done", prompt=asked["prompt"], sha256=digest, **asdict(result))

        await asyncio.gather(*(ask(asked) for asked in job["requests"]))


def live(job: dict[str, Any]) -> int:
    emit(event="begun", pid=os.getpid())
    try:
        asyncio.run(work(job))
    except BaseException:  # noqa: BLE001 - reported as this process's exit code
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    emit(event="ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(live(json.loads(line)))
        while os.WIFSTOPPED(status := os.waitpid(pid, os.WUNTRACED)[1]):
            emit(event="paused")
        emit(event="ended", code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
