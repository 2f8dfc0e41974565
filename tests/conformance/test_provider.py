"""What every Provider does. To test another, add it to `PROVIDERS`."""

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from stills.contract.errors import Billing, LinkDead, RequestRejected, ServiceUnreachable
from stills.contract.generation import ProviderAnswer, ProviderRequest
from stills.contract.ports.provider import Provider
from stills.contract.size import Size
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect
from stills.provider.deferred import DeferredProvider
from stills.sandbox import Sandbox

PATIENCE = 20.0
ORDER = ProviderRequest(
    model="qwen-image-max",
    text="a red kite",
    negative_prompt=None,
    size=Size(1664, 928),
    seed=7,
    prompt_extend=True,
    watermark=False,
)


def credentials(base_url: str) -> Credentials:
    return Credentials(ProviderKey("sk-sandbox"), base_url)


async def make_dashscope(base_url: str) -> Provider:
    return await connect(credentials(base_url))


async def make_deferred(base_url: str) -> Provider:
    async def make(stack: AsyncExitStack) -> Provider:
        provider = await make_dashscope(base_url)
        stack.push_async_callback(provider.close)
        return provider

    return DeferredProvider("sandbox", make, account=credentials(base_url).account)


PROVIDERS = {"dashscope": make_dashscope, "deferred": make_deferred}


@pytest.fixture(params=PROVIDERS)
async def make_provider(request):
    """Make providers of one kind for a base URL."""
    async with AsyncExitStack() as stack:

        async def make(base_url: str) -> Provider:
            provider = await PROVIDERS[request.param](base_url)
            stack.push_async_callback(provider.close)
            return provider

        yield make


@pytest.fixture
async def provider(make_provider, sandbox: Sandbox) -> Provider:
    return await make_provider(sandbox.base_url)


async def test_it_has_a_name(provider: Provider, sandbox: Sandbox):
    """The name is known before anything is sent."""
    assert provider.name == "sandbox"
    assert sandbox.ledger.sends == ()


async def test_it_has_an_account(provider: Provider, sandbox: Sandbox):
    """A short digest that has no secret in it, known before anything is sent."""
    assert re.fullmatch("[0-9a-f]{16}", provider.account)
    assert provider.account == credentials(sandbox.base_url).account
    assert sandbox.ledger.sends == ()


async def test_a_request_becomes_an_image(provider: Provider, sandbox: Sandbox):
    """One call is billed once, and its link can be downloaded repeatedly."""
    answer = await provider.send(ORDER, timeout_seconds=PATIENCE)
    first, second = [
        b"".join(await provider.download(answer.image_url, timeout_seconds=PATIENCE))
        for _ in range(2)
    ]
    assert first == second
    assert first.startswith(b"\x89PNG")
    (send,) = sandbox.ledger.generations
    assert (send.billed, send.size, send.seed) == (1, "1664*928", 7)
    assert send.request_id == answer.request_id


async def test_a_task_becomes_an_image(provider: Provider, sandbox: Sandbox):
    """One call creates the task; asking for it, however often, is free."""
    order = replace(ORDER, model="qwen-image-3.0")
    task_id = await provider.create_task(order, timeout_seconds=PATIENCE)
    outcome = None
    async with asyncio.timeout(PATIENCE):
        while outcome is None:
            outcome = await provider.ask_task(
                task_id, model=order.model, has_reference=False, timeout_seconds=PATIENCE
            )
    assert isinstance(outcome, ProviderAnswer)
    assert await provider.download(outcome.image_url, timeout_seconds=PATIENCE)
    assert [send.billed for send in sandbox.ledger.generations] == [1]


async def test_models_are_listed_free_of_charge(provider: Provider, sandbox: Sandbox):
    """No call that could be billed is made."""
    served = await provider.list_models(timeout_seconds=PATIENCE)
    assert {"qwen-image-max", "qwen-image-3.0-pro"} <= served
    assert sandbox.ledger.generations == ()


async def test_concurrent_requests_get_their_own_answers(provider: Provider, sandbox: Sandbox):
    """No call affects another."""
    texts = [f"kite number {number}" for number in range(40)]
    requests = [
        ProviderRequest("qwen-image-max", text, None, ORDER.size, number, True, False)
        for number, text in enumerate(texts)
    ]
    answers = await asyncio.gather(
        *(
            provider.send(provider_request, timeout_seconds=PATIENCE)
            for provider_request in requests
        )
    )
    prompts = {send.request_id: send.prompt for send in sandbox.ledger.generations}
    assert [prompts[answer.request_id] for answer in answers] == texts


async def test_a_failed_call_says_what_it_costs(provider: Provider, sandbox: Sandbox):
    """A refusal is a StillsError with the service's request id, and is free."""
    wrong = ProviderRequest("qwen-image-max", "a kite", None, Size(1024, 1024), 7, True, False)
    with pytest.raises(RequestRejected) as caught:
        await provider.send(wrong, timeout_seconds=PATIENCE)
    (send,) = sandbox.ledger.sends
    assert (caught.value.billing, caught.value.request_id) == (Billing.NONE, send.request_id)


async def test_an_unreachable_service_costs_nothing(make_provider, unused_tcp_port: int):
    """Without a connection, nothing is billed."""
    provider = await make_provider(f"http://127.0.0.1:{unused_tcp_port}/api/v1")
    with pytest.raises(ServiceUnreachable) as caught:
        await provider.send(ORDER, timeout_seconds=PATIENCE)
    assert caught.value.billing is Billing.NONE


async def test_a_link_without_an_image_is_dead(provider: Provider, sandbox: Sandbox):
    """The image was billed nevertheless."""
    with pytest.raises(LinkDead) as caught:
        await provider.download(
            sandbox.base_url.replace("/api/v1", "/images/none.png"), timeout_seconds=PATIENCE
        )
    assert caught.value.billing is Billing.BILLED


async def test_closing_works_without_a_call_and_twice(provider: Provider):
    """A provider that was never used can be closed."""
    await provider.close()
    await provider.close()
