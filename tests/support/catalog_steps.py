"""A till: pays for images in a catalog, step by step."""

import time as real_time
from datetime import UTC, datetime
from typing import Any

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing
from stills.contract.generation import (
    Claim,
    GenerationSpec,
    ProviderAnswer,
    Rendition,
    RequestRecord,
    Settlement,
)
from stills.contract.money import Caps
from stills.contract.size import Size
from stills.contract.spending import SpendBy, SpendLine

SIZE = Size(1328, 1328)
PRICE_USD = 0.075
FRIDAY = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC).timestamp()
SATURDAY = FRIDAY + 1
NO_CAPS = Caps()


class Clock:
    """The module `time`, with a time of day that the test sets."""

    def __init__(self) -> None:
        self.now = FRIDAY

    def time(self) -> float:
        return self.now

    monotonic, sleep = staticmethod(real_time.monotonic), staticmethod(real_time.sleep)


class Till:
    """Pays for images, with any outcome for each call."""

    def __init__(self, catalog: SqliteCatalog) -> None:
        self.catalog = catalog

    async def claim(self, key: str, caps: Caps = NO_CAPS, **facts: Any) -> Claim:
        taken = await self.catalog.claim(
            spec(key, **facts), SIZE, lease_seconds=60.0, fresh=False, caps=caps
        )
        assert isinstance(taken, Claim)
        return taken

    async def send(self, claim: Claim, billing: Billing | None, caps: Caps = NO_CAPS) -> int:
        """Record one call; a billing of None leaves its outcome open."""
        sends = await self.catalog.record_sends([claim], lease_seconds=60.0, caps=caps)
        assert sends is not None
        (send,) = sends
        if billing is not None:
            await self.catalog.settle_send(send, Settlement(billing, "code"))
        return send

    async def buy(self, key: str, caps: Caps = NO_CAPS, **facts: Any) -> Rendition:
        """Pay for an image and store it."""
        claim = await self.claim(key, caps, **facts)
        send = await self.send(claim, None, caps)
        answer = ProviderAnswer("https://oss.example/a.png", 4e9, "r")
        paid = Settlement(Billing.BILLED, "answered")
        await self.catalog.record_answer(claim.generation.id, answer, send=send, settlement=paid)
        kept = {"sha256": "ab" * 32, "byte_count": 9, "object_path": f"{claim.generation.id}.png"}
        await self.catalog.record_kept(claim.generation.id, **kept)
        rendition = Rendition(claim.generation.id, SIZE, **kept)
        await self.catalog.record_requests([(rendition, asked(key))])
        await self.catalog.release(claim)
        return rendition

    async def lines(self, by: SpendBy | None = None, since: float = 0.0) -> list[SpendLine]:
        return list(await self.catalog.spend(since=since, by=by))


def spec(key: str, **facts: Any) -> GenerationSpec:
    defaults = {
        "provider": "dashscope",
        "model": "qwen-image-max",
        "prompt": "a kite",
        "style": None,
        "text": "a kite",
        "negative_prompt": None,
        "native_size": SIZE,
        "seed": 1,
        "references": (),
        "price_usd": PRICE_USD,
    }
    return GenerationSpec(key=key, seeded_key=f"{key}-seeded", **(defaults | facts))


def asked(prompt: str) -> RequestRecord:
    return RequestRecord(prompt, SIZE, None, None, None, ())
