"""`stills verify`: is every kept image still there, and still the one that was paid for?"""

import argparse
import asyncio
import json
from collections import Counter
from dataclasses import asdict

from stills.app import Stills, Verified
from stills.cli.text import images

_STORAGE = 7
_WORDS = {
    "missing": "put the file back, or ask again with --fresh",
    "damaged": "put a good copy back; a rendition can be deleted, and is made anew when asked for",
    "unknown": "if its facts are there, `stills recover --rebuild` takes it in",
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
        print(_summary(verified))
    return _STORAGE if verified.has_losses else 0


def _summary(verified: Verified) -> str:
    counts = Counter(str(finding.verdict) for finding in verified.findings)
    wrong = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _WORDS if counts[verdict])
    return f"{images(verified.checked)} checked, {wrong or 'nothing wrong'}"


async def _verify() -> Verified:
    async with Stills.from_catalog() as stills:
        return await stills.verify()
