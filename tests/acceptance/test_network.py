"""Proxies and certificates that can't be used, as a user sees it."""

import pytest

KITE = ("generate", "a red kite", "--size", "64*64", "--model", "qwen-image-2.0")
SERVICE = {"DASHSCOPE_API_KEY": "sk-1", "DASHSCOPE_HTTP_BASE_URL": "https://service.invalid"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SSL_CERT_FILE": "ca.pem"}, "no certificates can be read from SSL_CERT_FILE='ca.pem'"),
        ({"HTTPS_PROXY": "ftp://u:s3cret@p.example:21"}, "the proxy ftp://p.example:21"),
        (
            {"HTTPS_PROXY": "http://u:s3cret@127.0.0.1:9"},
            "the proxy http://127.0.0.1:9 could not connect",
        ),
        (
            {"ALL_PROXY": "socks5h://u:s3cret@127.0.0.1:9"},
            "the proxy socks5h://127.0.0.1:9 could not",
        ),
    ],
)
def test_the_error_names_what_cant_be_used(run, variables, message):
    """Nothing is sent, and no password is shown."""
    done = run(*KITE, variables=SERVICE | variables)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Nothing was sent" in done.stderr
    assert "s3cret" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_sandbox_needs_neither(run):
    """It is on this machine, so a proxy or a certificate that can't be used doesn't matter."""
    variables = {"SSL_CERT_FILE": "ca.pem", "HTTPS_PROXY": "ftp://p.example"}
    done = run(*KITE, "--sandbox", variables=variables)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//api/v1/",
        "/compatible-mode/v1",
        "/api/v1/services/aigc/multimodal-generation/generation",
    ],
)
def test_a_base_url_works_in_every_form(run, service, path):
    """As people copy it from a console, from documentation, or from another client."""
    root = service.variables["DASHSCOPE_HTTP_BASE_URL"].removesuffix("/api/v1")
    variables = service.variables | {"DASHSCOPE_HTTP_BASE_URL": root + path}
    done = run(*KITE, variables=variables)
    assert done.returncode == 0, done.stderr
    assert service.billed() == 1


def test_a_base_url_keeps_the_path_of_a_gateway(run, start_service):
    """The sandbox serves the API under a path of its own, as a gateway does."""
    service = start_service("--base-path", "/dashscope")
    written = service.variables["DASHSCOPE_HTTP_BASE_URL"]
    assert written.endswith("/dashscope/api/v1")
    for form in (written, written.removesuffix("/api/v1"), f"{written}/"):
        variables = service.variables | {"DASHSCOPE_HTTP_BASE_URL": form}
        done = run(*KITE, "--seed", str(len(form)), variables=variables)
        assert done.returncode == 0, done.stderr
