"""Access to `stills serve`: with a key, without one, and from a web page."""

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.serve_process import Server

KITE = {"prompt": "a red kite", "size": "512*512"}
PAID = {"DASHSCOPE_API_KEY": "sk-real", "DASHSCOPE_HTTP_BASE_URL": "http://127.0.0.1:1"}
FIRST_KEY = "export OPENAI_API_KEY="


def status(url: str, **headers: str) -> int:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def stop_and_read(server: Server) -> str:
    """Stop a service; return what else it printed."""
    assert server.stop() == 0
    return server.process.stdout.read()


def first_key(printed: str) -> str:
    (key,) = [line for line in printed.splitlines() if line.startswith(FIRST_KEY)]
    return key.removeprefix(FIRST_KEY)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_that_can_spend_creates_a_key_and_requires_it(
    serve: Callable[..., Server], run, tmp_path: Path, workers: str
):
    """It is printed once for any number of workers, and is not in the log."""
    service = serve("--workers", workers, "--log-format", "json", **PAID)
    lines = [service.process.stdout.readline() for _ in range(3)]
    key = first_key(lines[2])
    assert lines[1] == f"export OPENAI_BASE_URL={service.url}/v1\n"
    models = f"{service.url}/v1/models"
    assert [status(models) for _ in range(4)] == [401] * 4
    assert [status(models, Authorization=f"Bearer {key}") for _ in range(4)] == [200] * 4
    assert status(f"{service.url}/mcp", Authorization="Bearer stills_x") == 401
    assert key not in stop_and_read(service)
    (known,) = map(json.loads, run("keys", "list", "--json").stdout.splitlines())
    assert known["name"] == "local"
    log = (tmp_path / "log").read_text()
    assert '"key": "local"' in log
    assert key.rpartition("_")[2] not in log


def test_a_service_that_can_spend_uses_existing_keys(serve: Callable[..., Server], run):
    """It can't print them, because only hashes are stored, and says how to create another."""
    run("keys", "add", "film")
    again = serve(**PAID)
    assert status(f"{again.url}/v1/models") == 401
    printed = stop_and_read(again)
    assert FIRST_KEY not in printed
    assert "`stills keys add NAME` creates another" in printed
    assert len(run("keys", "list", "--json").stdout.splitlines()) == 1


def test_insecure_requires_no_key(serve: Callable[..., Server], run):
    """Anyone may call, and no key is created."""
    service = serve("--insecure", **PAID)
    assert status(f"{service.url}/v1/models") == 200
    assert status(f"{service.url}/v1/models", Host="stills.example.com") == 200
    assert FIRST_KEY not in stop_and_read(service)
    assert run("keys", "list", "--json").stdout == ""


@pytest.mark.parametrize(
    ("options", "variables", "base_url"),
    [
        (("--host", "0.0.0.0"), {}, "http://127.0.0.1:"),
        ((), {"STILLS_PUBLIC_URL": "https://stills.example.com/x"}, "https://stills.example.com/x"),
    ],
)
def test_it_serves_other_machines_only_with_keys(
    serve: Callable[..., Server], options: tuple[str, ...], variables: dict[str, str], base_url: str
):
    """Even in the sandbox: a network or a proxy's clients are not admitted by mistake."""
    service = serve(*options, "--sandbox", **variables)
    lines = [service.process.stdout.readline() for _ in range(3)]
    assert lines[1].startswith(f"export OPENAI_BASE_URL={base_url}")
    local = f"http://127.0.0.1:{service.url.rsplit(':', 1)[1]}/v1/models"
    assert status(local) == 401
    assert status(local, Authorization=f"Bearer {first_key(lines[2])}") == 200


def test_the_sandbox_needs_no_key_on_this_machine(serve: Callable[..., Server]):
    """Trying it needs no set-up."""
    service = serve("--sandbox")
    assert service.ask(KITE)["width"] == 512
    assert stop_and_read(service) == ""


def test_a_browser_app_of_a_named_origin_may_call(serve: Callable[..., Server]):
    """An app from another origin may not."""
    service = serve("--sandbox", "--cors-origin", "https://app.example.com")
    app, other = {"Origin": "https://app.example.com"}, {"Origin": "https://other.example.com"}
    assert service.ask(KITE, **app)["width"] == 512
    with pytest.raises(urllib.error.HTTPError, match="403"):
        service.ask(KITE, **other)


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("*", "would let every web page use a service without API keys"),
        ("app.example.com", "is not an origin"),
        ("https://app.example.com/", "is not an origin"),
    ],
)
def test_an_origin_that_can_t_be_admitted_is_refused(
    run: Callable[..., Any], origin: str, words: str
):
    """At start-up, because a web page that fails later is harder to diagnose."""
    refused = run("serve", "--port", "0", "--sandbox", "--cors-origin", origin)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert words in refused.stderr


def test_any_origin_may_call_with_a_key(serve: Callable[..., Server], run):
    """The key decides who pays, whatever the page's origin."""
    key = run("keys", "add", "app").stdout.strip()
    service = serve("--sandbox", "--cors-origin", "*")
    page = {"Origin": "https://any.example.com"}
    assert service.ask(KITE, Authorization=f"Bearer {key}", **page)["width"] == 512
    with pytest.raises(urllib.error.HTTPError, match="401"):
        service.ask(KITE, **page)
    service.stop(signal.SIGTERM)
