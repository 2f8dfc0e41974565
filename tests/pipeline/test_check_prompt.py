"""Limits of prompts, counted in tokens of Qwen's own tokenizer."""

import subprocess
import sys

import pytest

from stills.contract.errors import InvalidRequest, LibraryFailed
from stills.contract.models import find_model
from stills.contract.request import ImageRequest
from stills.pipeline.check_prompt import find_long_prompts
from stills.pipeline.plan import make_plan
from stills.provider.tokenizer import QwenTokenizer

SENTENCE = "A wide shot of a lighthouse in fog, and slow waves roll in under a grey sky. "


async def find_error(text, model="qwen-image-max", style=None, tokenizer=None):
    request = ImageRequest(prompt=text, size="64*64", style=style)
    found = find_model(model)
    planned = make_plan(request, found, provider="sandbox")
    (error,) = await find_long_prompts([planned.spec], found, tokenizer or QwenTokenizer())
    return error


class NoTokenizer:
    """Fails if anything is counted."""

    async def count(self, texts):
        raise LibraryFailed(f"{len(texts)} texts were counted")


async def test_a_prompt_over_the_limit_is_an_error_that_says_by_how_many_tokens():
    """The service would cut it silently."""
    assert await find_error("fox" + " fox" * 799) is None
    error = await find_error("fox" + " fox" * 800)
    assert isinstance(error, InvalidRequest)
    assert error.message == "prompt is 801 tokens, 1 over qwen-image-max's limit of 800"
    assert error.field == "prompt"


async def test_prompt_and_style_count_together():
    """The limit applies to the text that is sent."""
    error = await find_error("fox" + " fox" * 799, style="ink wash")
    assert "prompt and style together are 805 tokens, 5 over" in error.message


async def test_an_english_prompt_of_1249_characters_is_fine():
    """A word is one token or two, not one for each of its letters."""
    prompt = (SENTENCE * 20)[:1249]
    assert await find_error(prompt, "qwen-image-2.0") is None
    assert await find_error(prompt) is None


async def test_chinese_counts_less_than_its_bytes():
    """800 characters are 2400 bytes, but fewer tokens than the limit."""
    assert await find_error("灯塔在雾中" * 160) is None
    assert await find_error("灯塔在雾中" * 400) is not None


async def test_a_short_prompt_is_not_counted():
    """A text has at most as many tokens as bytes, after it was normalized to NFC."""
    assert await find_error("x" * 800, tokenizer=NoTokenizer()) is None
    assert await find_error("é" * 400, tokenizer=NoTokenizer()) is None
    with pytest.raises(LibraryFailed):
        await find_error("x" * 801, tokenizer=NoTokenizer())
    with pytest.raises(LibraryFailed):  # each character becomes 12 bytes
        await find_error("\U0001d1c0" * 67, tokenizer=NoTokenizer())


async def test_an_unknown_limit_is_not_checked():
    """Nothing is known of 2.1."""
    assert await find_error("fox " * 20_000, "qwen-image-2.1-pro", tokenizer=NoTokenizer()) is None


async def test_nothing_is_sent_for_a_prompt_over_the_limit(stills, sandbox):
    """It would be paid for, and cut."""
    request = ImageRequest(prompt="fox " * 801, size="1328*1328")
    with pytest.raises(InvalidRequest, match="801 tokens, 1 over"):
        await stills.generate(request)
    with pytest.raises(InvalidRequest, match="801 tokens, 1 over"):
        await stills.generate(request, fresh=True)
    assert sandbox.ledger.sends == ()


async def test_every_prompt_over_the_limit_is_reported_at_once(stills):
    """A batch shows all of its problems before it starts."""
    requests = [ImageRequest(prompt="fox " * words, size="64*64") for words in (900, 5, 1000)]
    statuses = await stills.find_statuses(requests)
    messages = [status.error and status.error.message.split(",")[0] for status in statuses]
    assert messages == ["prompt is 900 tokens", None, "prompt is 1000 tokens"]


async def test_a_stored_image_is_found_without_counting(make_stills):
    """Loading the tokenizer would make an answer from the catalog slow."""
    request = ImageRequest(prompt="fox " * 500, size="1328*1328", seed=1)
    made = await (await make_stills()).generate(request)

    again = await make_stills(tokenizer=NoTokenizer())
    assert (await again.generate(request)).id == made.id
    (answer,) = await again.answer_from_catalog([request])
    assert answer.result.id == made.id
    (status,) = await again.find_statuses([request])
    assert status.is_kept


def test_building_the_parts_does_not_load_the_sdk():
    """It takes half a second."""
    code = "import sys, stills.assembly; sys.exit('dashscope' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
