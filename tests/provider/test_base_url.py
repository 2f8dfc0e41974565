"""The forms of a base URL, and where a key may be sent."""

import pytest

from stills.contract.errors import AccessError
from stills.provider.base_url import DEFAULT_BASE_URL, check_base_url


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://dashscope.aliyuncs.com", DEFAULT_BASE_URL),
        ("https://dashscope.aliyuncs.com/", DEFAULT_BASE_URL),
        ("https://dashscope.aliyuncs.com/v1", DEFAULT_BASE_URL),
        ("https://dashscope.aliyuncs.com/api/v1", DEFAULT_BASE_URL),
        ("https://dashscope.aliyuncs.com/api/v1//", DEFAULT_BASE_URL),
        (" https://dashscope.aliyuncs.com/api/v1/\n", DEFAULT_BASE_URL),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", DEFAULT_BASE_URL),
        ("HTTPS://dashscope.aliyuncs.com/api/v1?x=1#y", DEFAULT_BASE_URL),
        ("https://gateway.example/ai/api/v1", "https://gateway.example/ai/api/v1"),
        ("https://gateway.example/ai/v1/", "https://gateway.example/ai/api/v1"),
        ("https://gateway.example/v1/api/v1", "https://gateway.example/v1/api/v1"),
        ("https://w1.ap-1.maas.aliyuncs.com/api/v1", "https://w1.ap-1.maas.aliyuncs.com/api/v1"),
        ("https://dashscope.aliyuncs.com//api//v1", DEFAULT_BASE_URL),
        ("https://dashscope.aliyuncs.com/apps/anthropic", DEFAULT_BASE_URL),
        (
            "https://dashscope.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation",
            DEFAULT_BASE_URL,
        ),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1/images/generations", DEFAULT_BASE_URL),
        ("https://gateway.example/ai//compatible-mode/v1/", "https://gateway.example/ai/api/v1"),
        (
            "https://gateway.example/ai/api/v1/services/aigc/image-generation/generation",
            "https://gateway.example/ai/api/v1",
        ),
        ("https://gateway.example/ai/v1/images/generations", "https://gateway.example/ai/api/v1"),
        ("https://gateway.example/ai/api", "https://gateway.example/ai/api/v1"),
        ("https://gateway.example/v1/qwen", "https://gateway.example/v1/qwen/api/v1"),
        ("http://127.0.0.1:8900/dashscope", "http://127.0.0.1:8900/dashscope/api/v1"),
        ("http://127.0.0.1:8900/dashscope/api/v1", "http://127.0.0.1:8900/dashscope/api/v1"),
        ("http://localhost:8080", "http://localhost:8080/api/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/api/v1"),
        ("http://[::1]:8080", "http://[::1]:8080/api/v1"),
    ],
)
def test_a_base_url_is_normalized(written, meant):
    """All forms that people copy are accepted, under a gateway's own path as well."""
    assert check_base_url(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "dashscope.aliyuncs.com",
        "ftp://dashscope.aliyuncs.com",
        "file:///etc/hostname",
        "https://",
        "https:///api/v1",
        "https://user:sk-topsecret@dashscope.aliyuncs.com",
        "https://@dashscope.aliyuncs.com",
        "https://[::1",
        "https://host:port",
        "https://host:99999",
    ],
)
def test_an_invalid_base_url_is_refused_unquoted(written):
    """The error names the variable and the format, and quotes nothing that may be secret."""
    with pytest.raises(AccessError, match="is not an http") as caught:
        check_base_url(written)
    assert DEFAULT_BASE_URL in caught.value.action
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    "written",
    ["http://dashscope.aliyuncs.com", "http://10.0.0.1", "http://0.0.0.0", "http://localhost.evil"],
)
def test_a_key_is_not_sent_unencrypted_to_another_machine(written):
    """Plain http is only for local addresses."""
    with pytest.raises(AccessError, match="unencrypted"):
        check_base_url(written)


@pytest.mark.parametrize(
    "written",
    [
        "https://{WorkspaceId}.ap-southeast-1.maas.aliyuncs.com/api/v1",
        "https://[workspace-id].cn-beijing.maas.aliyuncs.com",
        "https://<id>.eu-central-1.maas.aliyuncs.com",
        "https://WorkspaceId.us-east-1.maas.aliyuncs.com",
    ],
)
def test_a_placeholder_is_refused(written):
    """It was copied from documentation, and no such host exists."""
    with pytest.raises(AccessError, match="placeholder") as caught:
        check_base_url(written)
    assert "workspace's id" in caught.value.action
