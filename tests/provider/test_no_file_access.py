"""No prompt and no reference makes the SDK read or upload a file."""

import asyncio
import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
import pyvips

import stills
from stills.sandbox import SendKind

SOURCES = Path(stills.__file__).resolve().parents[1]
SECRET = "the content of a file that nobody asked for"


@pytest.fixture
def secret_file(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    path = home / "secret.txt"
    path.write_text(SECRET)
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    return path


def uploads(sandbox) -> list[object]:
    ledger = sandbox.ledger
    return [*ledger.of_kind(SendKind.UPLOAD_POLICY), *ledger.of_kind(SendKind.UPLOAD)]


@pytest.mark.parametrize(
    "prompt",
    [
        "secret.txt",
        "./secret.txt",
        "{path}",
        "~/secret.txt",
        "file:///etc/hostname",
        "file://{path}",
        "oss://bucket/key.png",
        "https://example.com/secret.png",
        "data:image/png;base64,AAAA",
    ],
)
async def test_a_prompt_that_names_a_file_is_sent_unchanged(
    provider, sandbox, provider_request, secret_file, prompt
):
    """The service gets the text, and no upload starts."""
    text = prompt.format(path=secret_file)
    await provider.send(provider_request(text, negative_prompt=text), timeout_seconds=20)
    (send,) = sandbox.ledger.sends
    assert (send.prompt, send.negative_prompt) == (text, text)
    assert send.content == ("text",)
    assert uploads(sandbox) == []


@pytest.mark.parametrize("reference", ["secret.txt", "file://{path}", "{path}"])
async def test_a_reference_that_names_a_file_is_not_read(
    provider, sandbox, provider_request, secret_file, reference
):
    """The pipeline never passes one on; if it did, the service would refuse it."""
    url = reference.format(path=secret_file)
    with pytest.raises(Exception, match="InvalidParameter"):
        await provider.send(
            provider_request(model="qwen-image-2.0", reference_urls=(url,)), timeout_seconds=20
        )
    assert uploads(sandbox) == []


async def test_a_data_url_is_sent_inside_the_request(provider, sandbox, provider_request):
    """It arrives as an image, before the text."""
    png: bytes = pyvips.Image.black(64, 64, bands=3).pngsave_buffer()
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    await provider.send(
        provider_request(model="qwen-image-2.0", reference_urls=(url,)), timeout_seconds=20
    )
    (send,) = sandbox.ledger.sends
    assert send.content == ("image:data", "text")
    assert uploads(sandbox) == []


SEND_AND_WATCH = """
import asyncio, sys
from stills.contract.generation import ProviderRequest
from stills.contract.size import Size
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect

touched = []
def hook(event, arguments):
    if any(isinstance(a, (str, bytes)) and "secret" in str(a) for a in arguments):
        touched.append((event, arguments))

async def main():
    provider = await connect(Credentials(ProviderKey("sk-sandbox"), sys.argv[1]))
    sys.addaudithook(hook)
    for text in sys.argv[2:]:
        request = ProviderRequest("qwen-image-max", text, text, Size(1328, 1328), 1, True, False)
        await provider.send(request, timeout_seconds=20)
    await provider.close()

asyncio.run(main())
print([seen for seen in touched if seen[0].startswith(("open", "os.", "shutil."))])
"""


async def test_the_interpreter_opens_no_file_that_a_prompt_names(sandbox, secret_file):
    """An audit hook sees every open and every scan of a folder; none is of the secret."""
    prompts = ["secret.txt", str(secret_file), "~/secret.txt", secret_file.as_uri()]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", SEND_AND_WATCH, sandbox.base_url, *prompts],
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
    assert [send.prompt for send in sandbox.ledger.generations] == prompts
    assert uploads(sandbox) == []


def test_an_sdk_that_could_get_round_the_guard_is_refused():
    """Where the SDK no longer loads images in the one way that is switched off, nothing is sent."""
    script = (
        "from dashscope.aigc.image_generation import AioImageGeneration as sdk\n"
        "sdk._load_images = sdk._preprocess_messages; del sdk._preprocess_messages\n"
        "import stills.provider.dashscope\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "ImportError: this dashscope version" in done.stderr
