"""`stills verify`: check that every stored image exists and is intact."""

import argparse
import asyncio
from collections import Counter
from dataclasses import asdict

from stills.app import Stills
from stills.cli.counting import counting
from stills.cli.text import as_json, images, printable
from stills.contract.upkeep import Finding, Verified

_STORAGE = 7
_ACTIONS = {
    "missing": "put the file back, generate it again with --fresh, or delete it with `stills rm`",
    "damaged": "put an intact copy back; a rendition can be deleted, and is rendered again",
    "unreadable": "check the disk and the file's permissions, then verify again",
    "unknown": "if it has a sidecar, `stills recover --rebuild` adds it to the catalog",
}


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is 7 if an image is missing, damaged or unreadable."""
    verified = asyncio.run(_verify())
    if options.json:
        print(as_json(asdict(verified)))
    else:
        for finding in verified.findings:
            print(line(finding))
        print(_summary(verified))
    return _STORAGE if verified.has_losses else 0


def line(finding: Finding) -> str:
    """Describe the problem with one object, and what to do about it."""
    owner = f" ({finding.owner})" if finding.owner else ""
    return printable(f"{finding.verdict}: {finding.path}{owner}: {_ACTIONS[finding.verdict]}")


def _summary(verified: Verified) -> str:
    counts = Counter(str(finding.verdict) for finding in verified.findings)
    wrong = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _ACTIONS if counts[verdict])
    return f"{images(verified.checked)} checked, {wrong or 'nothing wrong'}"


async def _verify() -> Verified:
    async with Stills.from_catalog() as stills:
        with counting("checked") as on_progress:
            return await stills.images.verify(on_progress=on_progress)
