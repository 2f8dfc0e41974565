"""Starts calls as the rate limit of a catalog in Postgres allows.

Arguments: the database's URL, the calls per second that are allowed, and how many to start. Prints
the time of day, and begins when it can read a line. Then prints for each call when it was to start
by the server's clock, and when it did by the machine's monotonic clock.
"""

import asyncio
import json
import sys
import time

from stills.catalog.postgres import PostgresCatalog
from stills.contract.postgres_url import read_postgres_url
from stills.contract.rate_limit import LimitScope, RateLimit
from stills.ratelimit.limiter import RateLimiter


async def start(url: str, per_second: float, number: int) -> list[tuple[float, float]]:
    catalog = PostgresCatalog(read_postgres_url(url))
    scope = LimitScope("dashscope", "qwen-image-max")
    limiter = RateLimiter(catalog, scope, RateLimit(per_second))
    await limiter.quota()  # connects

    async def start_one() -> tuple[float, float]:
        start_at = await limiter.start(patience_seconds=600.0)
        return start_at, time.monotonic()

    print(time.time(), flush=True)
    sys.stdin.readline()
    starts = await asyncio.gather(*(start_one() for _ in range(number)))
    await catalog.close()
    return starts


if __name__ == "__main__":
    url, per_second, number = sys.argv[1:]
    print(json.dumps(asyncio.run(start(url, float(per_second), int(number)))))
