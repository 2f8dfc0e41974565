"""`stills catalog migrate`: create the catalog, or migrate it to this version."""

import argparse
import asyncio

from stills.app import Stills


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    del options
    print(f"the catalog has schema {asyncio.run(_migrate())}")
    return 0


async def _migrate() -> int:
    async with Stills.from_catalog() as stills:
        return await stills.maintenance.migrate_catalog()
