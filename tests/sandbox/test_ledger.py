"""What the sandbox remembers of what was sent."""

from stills.sandbox import Ledger, SendKind


async def test_sends_are_kept_in_order_with_all_that_was_asked(call, sandbox):
    """One entry tells what came in, what was used and what became of it."""
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


async def test_the_request_id_is_the_one_the_caller_got(call, sandbox):
    """A caller's log and the ledger can be matched."""
    answer = await call()

    assert answer.request_id == sandbox.ledger.sends[0].request_id


async def test_no_key_is_kept(call, sandbox):
    """Not even a key that was wrong can be read off the ledger."""
    await call(api_key="sk-sandbox-4711")
    await call(api_key="sk-real-0815")

    shown = repr(sandbox.ledger.sends) + repr(sandbox.ledger.to_json())
    assert "4711" not in shown
    assert "0815" not in shown


async def test_several_images_are_billed_each(call, sandbox):
    """n images cost n."""
    await call(model="qwen-image-2.0", n=4, size="512*512")

    assert sandbox.ledger.billed_images == 4


async def test_hostile_text_is_kept_as_it_came(post, sandbox):
    """A lone surrogate and a NUL survive, and the ledger can still be shown."""
    text = "\x00 \ud800 <b>&"
    sent = {
        "model": "qwen-image-max",
        "input": {"messages": [{"role": "user", "content": [{"text": text}]}]},
        "parameters": {"deep": [[[1]]]},
    }
    assert (await post(sent)).status == 200

    assert sandbox.ledger.sends[0].prompt == text
    assert sandbox.ledger.sends[0].parameters == {}


def test_a_send_forgotten_by_a_reset_stays_forgotten():
    """What was in flight at the reset can't spoil the entries made after it."""
    ledger = Ledger()
    before = ledger.open(SendKind.GENERATION, "a")
    ledger.clear()
    after = ledger.open(SendKind.DOWNLOAD, "b")
    ledger.note(before, billed=1)

    assert before != after
    assert [send.request_id for send in ledger.sends] == ["b"]
    assert ledger.billed_images == 0
