"""Every fault on demand, as a client sees it."""

import asyncio

import aiohttp
import pytest
import pyvips

from stills.sandbox import DOWNLOAD_FAULTS, Fault, FaultKind
from stills.sandbox.broken_png import BREAKS

PATIENCE_SECONDS = 30


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.THROTTLED, 429, "Throttling.RateQuota"),
        (FaultKind.TOKENS_THROTTLED, 429, "Throttling.AllocationQuota"),
        (FaultKind.QUOTA_EXHAUSTED, 429, "Throttling.AllocationQuota"),
        (FaultKind.FREE_TIER_USED, 403, "AllocationQuota.FreeTierOnly"),
        (FaultKind.PREPAID_OVERDUE, 429, "PrepaidBillOverdue"),
        (FaultKind.POSTPAID_OVERDUE, 429, "PostpaidBillOverdue"),
        (FaultKind.NOT_PURCHASED, 429, "CommodityNotPurchased"),
        (FaultKind.WORKSPACE_DENIED, 403, "Workspace.AccessDenied"),
        (FaultKind.INTERNAL_ERROR, 500, "InternalError"),
        (FaultKind.UNAVAILABLE, 503, "ServiceUnavailable"),
        (FaultKind.CONTENT_REFUSED, 400, "DataInspectionFailed"),
        (FaultKind.IP_INFRINGEMENT, 400, "IPInfringementSuspect"),
        (FaultKind.FAQ_BLOCKED, 400, "FaqRuleBlocked"),
        (FaultKind.REFERENCE_NOT_INSPECTED, 400, "InvalidParameter.DataInspection"),
        (FaultKind.REFERENCE_URL_INVALID, 400, "InvalidURL"),
        (FaultKind.REFERENCE_NOT_DOWNLOADED, 400, "InvalidFile.DownloadFailed"),
        (FaultKind.REFERENCE_UNREADABLE, 400, "InvalidImage.FileFormat"),
        (FaultKind.MODEL_NOT_EXIST, 400, "InvalidParameter"),
        (FaultKind.RETIRED_MODEL, 404, "ModelNotFound"),
    ],
)
async def test_a_refusal_happens_once_and_is_not_billed(call, sandbox, kind, status, code):
    """The fault returns its status and code, then the next call works."""
    sandbox.set_faults(Fault(kind))
    refused, served = await call(), await call()

    assert (refused.status_code, refused.code) == (status, code)
    assert refused.message
    assert "Retry-After" not in refused.headers
    assert served.status_code == 200
    assert [send.billed for send in sandbox.ledger.sends] == [0, 1]
    assert [send.fault for send in sandbox.ledger.sends] == [kind, None]


async def test_throttling_can_say_when_to_retry(call, sandbox):
    """Retry-After is sent if it is set."""
    sandbox.set_faults(Fault(FaultKind.THROTTLED, retry_after_seconds=3))

    assert (await call()).headers["Retry-After"] == "3"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.THROTTLED, "limit_requests"),
        (FaultKind.TOKENS_THROTTLED, "insufficient_quota"),
        (FaultKind.PREPAID_OVERDUE, "prepaid_bill_overdue"),
        (FaultKind.WORKSPACE_DENIED, "workspace_access_denied"),
        (FaultKind.CONTENT_REFUSED, "data_inspection_failed"),
        (FaultKind.IP_INFRINGEMENT, "ip_infringement_suspect"),
        (FaultKind.REFERENCE_URL_INVALID, "invalid_url"),
        (FaultKind.RETIRED_MODEL, "model_not_found"),
    ],
)
async def test_a_refusal_can_have_the_compatible_form(post, sandbox, kind, code):
    """The code is in snake_case, inside an `error` object, as OpenAI's clients expect."""
    sandbox.set_faults(Fault(kind, compatible=True))
    answer = await post(
        {
            "model": "qwen-image-max",
            "input": {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
        }
    )

    assert answer.body.keys() == {"error", "request_id"}
    assert answer.body["error"]["code"] == sandbox.ledger.sends[0].code == code
    assert answer.body["error"]["message"]


@pytest.mark.parametrize(
    ("kind", "status", "billed"),
    [
        (FaultKind.GATEWAY_HTML, 502, 0),
        (FaultKind.GATEWAY_UNAVAILABLE, 503, 0),
        (FaultKind.GATEWAY_TIMEOUT, 504, 1),
        (FaultKind.TOO_LARGE, 413, 0),
    ],
)
async def test_a_gateway_answers_with_html(call, sandbox, kind, status, billed):
    """The SDK finds no code and returns the page as the message."""
    sandbox.set_faults(Fault(kind))
    answer = await call()

    assert (answer.status_code, answer.code) == (status, "Unknown")
    assert "<html>" in answer.message
    assert (sandbox.ledger.sends[0].status, sandbox.ledger.sends[0].billed) == (status, billed)


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATED_ANSWER, FaultKind.HTML_ANSWER])
async def test_a_200_can_be_unreadable_though_the_image_is_billed(post, sandbox, kind):
    """The answer is not JSON and doesn't say that an image was generated."""
    sandbox.set_faults(Fault(kind))
    with pytest.raises((ValueError, aiohttp.ContentTypeError)):
        await post(
            {
                "model": "qwen-image-max",
                "input": {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
            }
        )

    send = sandbox.ledger.sends[0]
    assert (send.status, send.billed) == (200, 1)


@pytest.mark.parametrize(
    ("kind", "billed_sends"), [(FaultKind.DROP_BEFORE, [0, 1]), (FaultKind.DROP_AFTER, [1, 1])]
)
async def test_the_sdk_retries_after_a_drop_and_may_pay_twice(call, sandbox, kind, billed_sends):
    """The caller sees one good answer; the ledger shows two requests and their cost."""
    sandbox.set_faults(Fault(kind))
    answer = await call()

    assert answer.status_code == 200
    assert [send.billed for send in sandbox.ledger.generations] == billed_sends
    assert [send.status for send in sandbox.ledger.generations] == [None, 200]


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER])
async def test_two_drops_reach_the_caller(call, sandbox, kind):
    """If the SDK's own retry is dropped too, the caller gets the error."""
    sandbox.set_faults(Fault(kind, times=2))
    with pytest.raises(aiohttp.ClientConnectionError):
        await call()

    assert len(sandbox.ledger.generations) == 2


async def test_a_slow_answer_is_billed_although_the_caller_gave_up(call, sandbox):
    """The image is generated and billed before the delay, whether or not anyone waits."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=3600))
    waiting = asyncio.create_task(call())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not sandbox.ledger.billed_images:
            await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert sandbox.ledger.billed_images == 1
    assert not sandbox.ledger.sends[0].finished


async def test_a_slow_answer_arrives_in_the_end(call, sandbox):
    """After the delay the answer is normal."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.01))

    assert (await call()).status_code == 200


async def test_an_answer_without_image_is_not_billed(call, sandbox):
    """The choices contain only text."""
    sandbox.set_faults(Fault(FaultKind.NO_IMAGE))
    answer = await call()

    assert answer.status_code == 200
    content = answer.output["choices"][0]["message"]["content"]
    assert [list(part) for part in content] == [["text"]]
    assert answer.usage["image_count"] == sandbox.ledger.billed_images == 0


async def test_fewer_images_than_ordered_are_billed_as_they_come(call, sandbox):
    """With one image ordered, none comes."""
    sandbox.set_faults(Fault(FaultKind.FEWER_IMAGES, times=2))
    answer = await call(model="qwen-image-2.0", n=4)
    content = answer.output["choices"][0]["message"]["content"]
    assert len(content) == answer.usage["image_count"] == sandbox.ledger.billed_images == 3
    assert (await call(model="qwen-image-2.0")).usage["image_count"] == 0


async def test_an_error_inside_a_200_breaks_the_sdk(call, sandbox):
    """The SDK raises TypeError and loses the code and message."""
    sandbox.set_faults(Fault(FaultKind.ERROR_IN_200))
    with pytest.raises(TypeError):
        await call()

    send = sandbox.ledger.sends[0]
    assert (send.status, send.code, send.billed) == (200, "InternalError", 0)


async def test_an_error_inside_a_200_has_code_and_message(post, sandbox):
    """The wire shows the error envelope with status 200."""
    sandbox.set_faults(Fault(FaultKind.ERROR_IN_200))
    sent = {
        "model": "qwen-image-max",
        "input": {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
    }
    answer = await post(sent)

    assert answer.status == 200
    assert answer.body.keys() == {"code", "message", "request_id"}


def decode(png):
    pyvips.Image.new_from_buffer(png, "", fail_on="truncated").copy_memory()


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATED_PNG, FaultKind.CORRUPT_PNG, *BREAKS])
async def test_a_broken_png_is_a_complete_answer(call, download, sandbox, kind):
    """HTTP succeeds, decoding fails, and the next download is intact."""
    sandbox.set_faults(Fault(kind))
    answer = await call()
    broken, sound = await download(answer), await download(answer)

    assert broken.status == 200
    assert broken.headers["Content-Type"] == "image/png"
    assert broken.body.startswith(b"\x89PNG")
    with pytest.raises(pyvips.Error):
        decode(broken.body)
    decode(sound.body)


async def test_a_png_of_the_wrong_size_is_otherwise_intact(call, download, sandbox):
    """It has half the width and height that the answer said."""
    sandbox.set_faults(Fault(FaultKind.WRONG_SIZE_PNG))
    got = await download(await call(size="1328*1328"))

    decode(got.body)
    image = pyvips.Image.new_from_buffer(got.body, "")
    assert (image.width, image.height) == (664, 664)


async def test_a_url_can_return_html(call, download, sandbox):
    """A page with status 200 is returned instead of the image."""
    sandbox.set_faults(Fault(FaultKind.NOT_A_PNG))
    got = await download(await call())

    assert got.status == 200
    assert b"<!doctype html>" in got.body


async def test_a_dead_url_answers_as_oss_does(call, download, sandbox):
    """The answer is 403 with an XML document while the fault is set."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    answer = await call()
    for _ in range(3):
        got = await download(answer)
        assert got.status == 403
        assert b"<Code>AccessDenied</Code>" in got.body

    sandbox.set_faults()
    assert (await download(answer)).status == 200


async def test_a_download_can_break_off_in_the_middle(call, download, sandbox):
    """The client gets fewer bytes than Content-Length says; the next download is complete."""
    sandbox.set_faults(Fault(FaultKind.DROP_DOWNLOAD))
    answer = await call()
    with pytest.raises(aiohttp.ClientPayloadError):
        await download(answer)

    decode((await download(answer)).body)


async def test_a_download_can_stall_in_the_middle(call, session, sandbox, urls_of):
    """Half of it arrives, then nothing during the delay."""
    sandbox.set_faults(Fault(FaultKind.SLOW_DOWNLOAD, delay_seconds=3600))
    url = urls_of(await call())[0]
    async with session.get(url) as response:
        half = await response.content.readexactly(int(response.headers["Content-Length"]) // 2)

    assert half.startswith(b"\x89PNG")


async def test_a_stalled_download_finishes_in_the_end(call, download, sandbox):
    """After the delay the other half follows."""
    sandbox.set_faults(Fault(FaultKind.SLOW_DOWNLOAD, delay_seconds=0.01))

    decode((await download(await call())).body)


async def test_a_fault_can_be_limited_to_some_prompts(call, sandbox):
    """`match` is text that the prompt contains."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None, match="shot 7"))
    statuses = [(await call(text)).status_code for text in ["shot 6", "shot 7: a fox", "shot 8"]]

    assert statuses == [200, 400, 200]


async def test_faults_happen_in_order(call, sandbox):
    """The first possible fault happens, until its times are used up."""
    sandbox.set_faults(Fault(FaultKind.UNAVAILABLE, times=2), Fault(FaultKind.THROTTLED))
    statuses = [(await call()).status_code for _ in range(4)]

    assert statuses == [503, 503, 429, 200]


async def test_an_invalid_request_uses_up_no_fault(call, sandbox):
    """Faults only happen to requests that would have succeeded."""
    sandbox.set_faults(Fault(FaultKind.UNAVAILABLE))
    statuses = [(await call(size=size)).status_code for size in ["1*1", "1664*928"]]

    assert statuses == [400, 503]


async def test_a_probability_is_repeatable(call, sandbox):
    """The same random seed hits the same requests, about as many as expected."""

    async def hits(random_seed):
        fault = Fault(FaultKind.UNAVAILABLE, times=None, probability=0.3, random_seed=random_seed)
        sandbox.set_faults(fault)
        return [(await call()).status_code == 503 for _ in range(60)]

    first, again, other = await hits(1), await hits(1), await hits(2)
    assert first == again != other
    assert 5 < sum(first) < 35


def test_every_kind_has_a_meaning():
    """The documentation is generated from these sentences."""
    assert all(kind.meaning.endswith(".") for kind in FaultKind)
    assert set(FaultKind) > DOWNLOAD_FAULTS


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "boom"},
        {"times": 0},
        {"times": True},
        {"match": 5},
        {"retry_after_seconds": -1},
        {"delay_seconds": float("inf")},
        {"delay_seconds": -0.1},
        {"probability": 0},
        {"probability": 1.5},
        {"random_seed": "x"},
        {"compatible": 1},
    ],
    ids=str,
)
def test_an_invalid_fault_is_rejected(wrong):
    """The error names the invalid field."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Fault(**{"kind": FaultKind.SLOW} | wrong)
