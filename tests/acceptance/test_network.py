"""Proxies and certificates that can't be used, as a user sees it."""

import pytest

KITE = ("generate", "a red kite", "--size", "64*64", "--model", "qwen-image-2.0")
SERVICE = {"DASHSCOPE_API_KEY": "sk-1", "DASHSCOPE_HTTP_BASE_URL": "https://service.invalid"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SSL_CERT_FILE": "ca.pem"}, "no certificates can be read from SSL_CERT_FILE='ca.pem'"),
        ({"HTTPS_PROXY": "ftp://u:s3cret@p.example:21"}, "the proxy ftp://p.example:21"),
        ({"HTTPS_PROXY": "http://u:s3cret@127.0.0.1:9"}, "the proxy http://127.0.0.1:9 makes no"),
        ({"ALL_PROXY": "socks5h://u:s3cret@127.0.0.1:9"}, "the proxy socks5h://127.0.0.1:9 makes"),
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
