"""What the sandbox records of each request."""

from stills.sandbox import RequestLedger, SendKind


async def test_requests_are_recorded_in_order(call, sandbox):
    """An entry shows the request as received, as used, and its outcome."""
    await call("a red fox", size="1328*1328", seed=9, negative_prompt="blurry", watermark=True)
    await call("a blue fox", seed=-1)

    first, second = sandbox.ledger.sends
    assert first.seq < second.seq
    assert first.kind is SendKind.GENERATION
    assert (first.model, first.prompt, first.text) == ("qwen-image-max", "a red fox", "a red fox")
    assert (first.size, first.seed, first.negative_prompt) == ("1328*1328", 9, "blurry")
    assert first.parameters["watermark"] is True
    assert first.content == ("text",)
    assert (first.finished, first.status, first.code, first.billed) == (True, 200, None, 1)
    assert (second.prompt, second.status, second.code) == ("a blue fox", 400, "InvalidParameter")
    assert (second.parameters["seed"], second.seed, second.billed) == (-1, None, 0)


async def test_the_request_id_is_the_callers(call, sandbox):
    """A client's log can be matched with the ledger."""
    answer = await call()

    assert answer.request_id == sandbox.ledger.sends[0].request_id


async def test_no_key_is_recorded(call, sandbox):
    """Not even an invalid key can be read from the ledger."""
    await call(api_key="sk-sandbox-4711")
    await call(api_key="sk-real-0815")

    shown = repr(sandbox.ledger.sends) + repr(sandbox.ledger.to_json())
    assert "4711" not in shown
    assert "0815" not in shown


async def test_several_images_are_billed_each(call, sandbox):
    """A request for n images bills n."""
    await call(model="qwen-image-2.0", n=4, size="512*512")

    assert sandbox.ledger.billed_images == 4


async def test_hostile_text_is_recorded_unchanged(post, sandbox):
    """A lone surrogate and a NUL survive, and the ledger can still be read."""
    text = "\x00 \ud800 <b>&"
    sent = {
        "model": "qwen-image-max",
        "input": {"messages": [{"role": "user", "content": [{"text": text}]}]},
        "parameters": {"deep": [[[1]]]},
    }
    assert (await post(sent)).status == 200

    assert sandbox.ledger.sends[0].prompt == text
    assert sandbox.ledger.sends[0].parameters == {}


def test_a_request_forgotten_by_a_reset_stays_forgotten():
    """A request in flight at the reset can't change later entries."""
    ledger = RequestLedger()
    before = ledger.open(SendKind.GENERATION, "a")
    ledger.clear()
    after = ledger.open(SendKind.DOWNLOAD, "b")
    ledger.note(before, billed=1)

    assert before != after
    assert [send.request_id for send in ledger.sends] == ["b"]
    assert ledger.billed_images == 0
