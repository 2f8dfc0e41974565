"""Record: what a result says of the image."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.catalog_steps import spec

from stills.app import Stills
from stills.contract.generation import Generation, ProviderAnswer, Rendition, Stage
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.pipeline.record import make_result, try_to_count
from stills.provider.dashscope import DashScope

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=1)


class UnusedCatalog:
    """A catalog on which nothing may be called."""


@pytest.mark.parametrize(
    ("size", "notes"),
    [
        (Size(1328, 1328), ()),
        (Size(664, 664), ("Scaled down from 1328*1328.",)),
        (Size(1000, 600), ("Cropped and scaled from 1328*1328.",)),
        (Size(1328, 600), ("Cropped and scaled from 1328*1328.",)),
        (Size(600, 1328), ("Cropped and scaled from 1328*1328.",)),
        (Size(2000, 2000), ("Scaled up from 1328*1328.",)),
        (Size(1329, 500), ("Scaled up from 1328*1328.",)),
        (Size(500, 1329), ("Scaled up from 1328*1328.",)),
    ],
    ids=str,
)
def test_a_note_says_how_the_image_was_rendered(size: Size, notes: tuple[str, ...]):
    """One that was scaled up is less sharp than its size suggests."""
    generation = Generation("ab" * 6, spec("a"), Stage.KEPT, 0.0)
    rendition = Rendition(generation.id, size, "0" * 64, 9, "a.png")
    made = make_result(generation, rendition, "file:///a.png", sent=False)
    assert (made.native_size, made.notes) == ("1328*1328", notes)


async def test_counting_no_answers_does_not_use_the_catalog():
    """A batch may have no row that is stored."""
    assert await try_to_count(UnusedCatalog(), []) == ()


async def test_only_the_request_that_paid_has_the_cost_and_the_service_s_link(stills: Stills):
    """And the cost of the image; the link soon expires."""
    results = await asyncio.gather(*(stills.generate(KITE) for _ in range(3)))
    results.append(await stills.generate(KITE))
    paid, *others = sorted(results, key=lambda result: result.cached)
    assert paid.provider_url.startswith("http://127.0.0.1:")
    assert paid.cost_usd > 0.0
    free = (True, None, 0.0)
    assert [(one.cached, one.provider_url, one.cost_usd) for one in others] == [free] * 3


async def test_a_link_that_has_expired_is_not_passed_on(stills: Stills, monkeypatch):
    """The service's clock may be behind ours, so the image came all the same."""
    send = DashScope.send

    async def send_in_the_past(*arguments: object, **options: object) -> ProviderAnswer:
        return replace(await send(*arguments, **options), expires_at=1.0)

    monkeypatch.setattr(DashScope, "send", send_in_the_past)
    made = await stills.generate(KITE)
    assert (made.cached, made.provider_url) == (False, None)
