"""What is said of a model that is retired according to notices."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from stills.app import Stills
from stills.contract import retirement
from stills.contract.errors import ContentRefused, ModelNotServed
from stills.contract.request import ImageRequest
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect
from stills.sandbox import Fault, FaultKind, Sandbox

Make = Callable[..., Awaitable[Stills]]

KITE = ImageRequest(prompt="a red kite", size="1328*1328", seed=1)
NOTE = (
    "qwen-image-max was retired on 2026-10-10, according to notices; its successor is "
    "qwen-image-2.0. Choose another model with --model, STILLS_MODEL or the field `model`."
)


class Paid:
    """A provider that costs money, on the sandbox's wire."""

    name = "dashscope"

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@pytest.fixture
async def paid(make_stills: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Stills:
    """Stills with a provider that costs money, in a process that has not warned yet."""
    monkeypatch.setattr(retirement, "_shown", set())
    inner = await connect(Credentials(ProviderKey("sk-sandbox"), sandbox.base_url))
    return await make_stills(provider=Paid(inner))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "retired" in one.getMessage()]


async def test_the_first_paid_call_of_a_retired_model_is_warned_of_before_it_is_sent(
    paid: Stills, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
):
    """Once in a process; standard error shows it, or the log of a service."""
    sent: list[int] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "retired" in record.getMessage():
                sent.append(len(sandbox.ledger.generations))

    watch = Watch()
    logging.getLogger("stills").addHandler(watch)
    try:
        first = await paid.generate(KITE)
    finally:
        logging.getLogger("stills").removeHandler(watch)
    assert sent == [0]
    assert warnings(caplog) == [NOTE]
    assert NOTE in first.notes


async def test_the_sandbox_says_it_in_its_results_only(
    stills: Stills, caplog: pytest.LogCaptureFixture
):
    """Nothing is paid there, but a trial should show what comes."""
    made = await stills.generate(KITE)
    assert NOTE in made.notes
    assert warnings(caplog) == []


async def test_a_stored_image_needs_no_warning(stills: Stills):
    """It opens whether or not its model is still served."""
    await stills.generate(KITE)
    again = await stills.generate(KITE)
    assert again.cached
    assert NOTE not in again.notes


async def test_only_a_model_that_is_not_served_is_said_to_be_retired(
    stills: Stills, sandbox: Sandbox
):
    """Another refusal has another reason, and another model was not retired."""
    sandbox.set_faults(Fault(FaultKind.MODEL_NOT_EXIST))
    with pytest.raises(ModelNotServed, match="; it was retired on 2026-10-10"):
        await stills.generate(KITE)
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED))
    with pytest.raises(ContentRefused) as refused:
        await stills.generate(KITE)
    sandbox.set_faults(Fault(FaultKind.MODEL_NOT_EXIST))
    with pytest.raises(ModelNotServed) as unserved:
        await stills.generate(replace(KITE, size="512*512"), model="qwen-image-2.0")
    for error in (refused.value, unserved.value):
        assert "; it" not in error.message


async def test_a_model_that_is_not_retired_has_no_note(
    paid: Stills, caplog: pytest.LogCaptureFixture
):
    """Nor a warning."""
    request = replace(KITE, size="512*512")
    made = await paid.generate(request, model="qwen-image-2.0")
    assert not [note for note in made.notes if "retired" in note]
    assert warnings(caplog) == []
