"""LiteLLM works with `stills serve` as OpenAI, and with `stills sandbox` as DashScope."""

import pytest
from tests.clients.matrix import shows

ENDPOINT = "/api/v1/services/aigc/multimodal-generation/generation"


@pytest.fixture(scope="module")
def did(run_python, service, sandbox):
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # it would download prices when imported
    urls = (f"{service.url}/v1", f"{sandbox.url}{ENDPOINT}")
    return run_python("litellm", "litellm_client.py", *urls, **offline)


@shows("generate", "litellm")
def test_an_image_has_the_size_that_was_requested(did):
    """The model is named as OpenAI's, and mapped by the alias."""
    assert did["generate"] == {"did": [1536, 1024]}


@shows("edit several files", "litellm")
def test_two_files_are_edited_into_one_image(did):
    """The same name of a model edits, by the alias for edits."""
    assert did["edit_two"] == {"did": [1024, 1024]}


@shows("typed errors", "litellm")
def test_an_invalid_request_raises_litellms_own_error(did):
    """It is a `BadRequestError`, which LiteLLM does not retry."""
    assert did["refuse"] == {"did": 400}


@shows("generate", "litellm-dashscope")
def test_the_sandbox_answers_litellms_dashscope_provider(did):
    """The link in the answer opens."""
    assert did["sandbox_generate"] == {"did": [1024, 1024]}


@shows("edit a file", "litellm-dashscope")
def test_the_sandbox_edits_for_litellms_dashscope_provider(did):
    """The file arrives as a data URL."""
    assert did["sandbox_edit"] == {"did": [1024, 1024]}
