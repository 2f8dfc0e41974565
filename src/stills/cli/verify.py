"""`stills verify`: is every kept image still there, and still the one that was paid for?"""

import argparse
import asyncio
import json
from dataclasses import asdict

from stills.app import Stills, Verified

_STORAGE = 7
_WORDS = {
    "missing": "put the file back, or ask again with --fresh",
    "damaged": "put a good copy back; a rendition can be deleted, and is made anew when asked for",
    "unknown": "`stills recover --rebuild` takes it into the catalog",
}


def run(options: argparse.Namespace) -> int:
    """Carry out the command; exit code 7 if anything is missing or damaged."""
    verified = asyncio.run(_verify())
    if options.json:
        print(json.dumps(asdict(verified), ensure_ascii=False))
    else:
        for finding in verified.findings:
            owner = f" ({finding.owner})" if finding.owner else ""
            print(f"{finding.verdict}: {finding.path}{owner}: {_WORDS[finding.verdict]}")
        wrong = len(verified.findings)
        print(f"{verified.checked} images checked, {wrong or 'nothing'} wrong")
    return _STORAGE if verified.has_losses else 0


async def _verify() -> Verified:
    async with Stills.from_catalog() as stills:
        return await stills.verify()
