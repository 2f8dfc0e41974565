"""`stills verify`: is every kept image still there, and still the one that was paid for?"""

import argparse
import asyncio
from collections import Counter
from dataclasses import asdict

from stills.app import Finding, Stills, Verified
from stills.cli.text import as_json, images, printable

_STORAGE = 7
_ACTIONS = {
    "missing": "put the file back, or ask again with --fresh",
    "damaged": "put a good copy back; a rendition can be deleted, and is made anew when asked for",
    "unreadable": "see that the disk and the file's permissions are sound, then verify again",
    "unknown": "if its facts are there, `stills recover --rebuild` takes it in",
}


def run(options: argparse.Namespace) -> int:
    """Carry out the command; exit code 7 if an image is missing, damaged or unreadable."""
    verified = asyncio.run(_verify())
    if options.json:
        print(as_json(asdict(verified)))
    else:
        for finding in verified.findings:
            print(line(finding))
        print(_summary(verified))
    return _STORAGE if verified.has_losses else 0


def line(finding: Finding) -> str:
    """Say what is wrong with one object, and what to do about it."""
    owner = f" ({finding.owner})" if finding.owner else ""
    return printable(f"{finding.verdict}: {finding.path}{owner}: {_ACTIONS[finding.verdict]}")


def _summary(verified: Verified) -> str:
    counts = Counter(str(finding.verdict) for finding in verified.findings)
    wrong = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _ACTIONS if counts[verdict])
    return f"{images(verified.checked)} checked, {wrong or 'nothing wrong'}"


async def _verify() -> Verified:
    async with Stills.from_catalog() as stills:
        return await stills.images.verify()
