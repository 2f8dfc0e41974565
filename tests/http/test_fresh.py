"""`fresh` over HTTP: a client pays for a new image of a request that has one."""

import aiohttp
import pytest
import pyvips

from stills.http.openai_request import says_no_cache
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = {"prompt": "a red kite", "size": "512*512"}
PORTRAIT = pyvips.Image.black(512, 512, bands=3).pngsave_buffer()
ROUTES = ("/v1/image.generate", "/v1/images/generations")


@pytest.mark.parametrize("route", ROUTES)
async def test_the_field_pays_for_a_new_image(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, route: str
):
    """False and null do not."""
    billed = []
    for fresh in (None, False, True, True):
        async with http.post(url + route, json=KITE | {"fresh": fresh}) as answer:
            assert answer.status == 200
        billed.append(sandbox.ledger.billed_images)
    assert billed == [1, 1, 2, 3]


@pytest.mark.parametrize("route", ROUTES)
async def test_the_header_pays_for_a_new_image_unless_the_field_is_false(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, route: str
):
    """The field is the clearer word."""
    headers = {"Cache-Control": "No-Cache"}
    for body in (KITE, KITE, KITE | {"fresh": False}):
        async with http.post(url + route, json=body, headers=headers) as answer:
            assert answer.status == 200
    assert sandbox.ledger.billed_images == 2


async def test_an_edit_takes_it_as_text_of_its_form(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Forms know only text."""
    for fresh, billed in (("false", 1), ("true", 2), ("TRUE", 3)):
        form = aiohttp.FormData({"prompt": "at dusk", "model": "qwen-image-2.0", "fresh": fresh})
        form.add_field("image", PORTRAIT, filename="a.png")
        async with http.post(f"{url}/v1/images/edits", data=form) as answer:
            assert answer.status == 200
        assert sandbox.ledger.billed_images == billed


async def test_each_of_several_images_is_new(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Not only the first."""
    for fresh in (False, True):
        body = KITE | {"n": 3, "seed": 5, "fresh": fresh}
        async with http.post(f"{url}/v1/images/generations", json=body) as answer:
            assert len((await answer.json())["data"]) == 3
    assert sandbox.ledger.billed_images == 6


async def test_an_idempotency_key_keeps_a_retry_from_paying_again(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """The answer of the first request is repeated."""
    headers = {"Idempotency-Key": "one", "Cache-Control": "no-cache"}
    for _ in range(2):
        async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
            assert answer.status == 200
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize("fresh", ["yes", 1, "true", []])
async def test_another_value_is_refused(url: str, http: aiohttp.ClientSession, fresh: object):
    """It could be a mistake that costs money."""
    for route in ROUTES:
        async with http.post(url + route, json=KITE | {"fresh": fresh}) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["param"] == "fresh"


async def test_a_client_is_told_not_to_repeat_a_billed_one(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """An error after the bill usually makes the retry free, but not with fresh."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    for fresh, repeat in ((True, "false"), (False, "true")):
        body = KITE | {"fresh": fresh}
        async with http.post(f"{url}/v1/image.generate", json=body) as answer:
            assert answer.status >= 400
            assert answer.headers["x-should-retry"] == repeat


def test_only_the_directive_no_cache_counts():
    """Others speak of stored answers, which these are not."""
    assert says_no_cache({"cache-control": "max-age=0, no-cache"})
    assert not says_no_cache({"cache-control": "no-store, max-age=0"})
    assert not says_no_cache({})
