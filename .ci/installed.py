"""Check an installed Stills from outside: `installed.py VENV` prints one line per check.

The programs run as a user without rights, whose home does not exist yet, and the files of the
virtual environment are read-only meanwhile. Extras that are not installed are not checked.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NOBODY = 65534
PNG = b"\x89PNG\r\n\x1a\n"
KITE = ["a red kite", "--size", "640x360", "--seed", "7", "--json"]
SHOTS = "id,prompt,size\n1A,a red kite,320x180\n1B,a blue kite,320x180\n"
WAIT_SECONDS = 300


class Failed(Exception):
    """A check failed; the message says how."""


class Installed:
    """The programs of a virtual environment, run by a user without rights in `folder`."""

    def __init__(self, venv: Path, folder: Path) -> None:
        self.python = venv / "bin" / "python"
        self.folder = folder
        self.user, self._become = _find_user(self.python, folder)
        self._environment = {
            "PATH": f"{venv / 'bin'}{os.pathsep}{os.defpath}",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
        }

    def run(self, *command: str | Path, stdin: str = "", **variables: str) -> str:
        """Run a program to its end; returns what it prints."""
        done = subprocess.run(
            [*self._become, *command],
            input=stdin,
            env=self._environment | variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{command} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        return done.stdout

    @contextmanager
    def start(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Start a program, and stop it as a service manager does."""
        log = self.folder / f"{command[1]}.log"
        with (
            log.open("w") as errors,
            subprocess.Popen(
                [*self._become, *command],
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            try:
                yield process
            except (Failed, OSError) as error:
                raise Failed(f"{error}: {log.read_text()[-800:]}") from error
            else:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=WAIT_SECONDS)
            finally:
                process.kill()

    def find_module(self, name: str) -> bool:
        """Return whether a module is installed."""
        code = f"from importlib.util import find_spec; print(find_spec({name!r}) is not None)"
        return self.run(self.python, "-c", code).strip() == "True"


def _find_user(python: Path, folder: Path) -> tuple[str, list[str]]:
    """Return a user who may change nothing of `python`, and how to become that user."""
    if os.geteuid():
        return "the user of this shell", []
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    probe = [*nobody, python, "-c", "import sys; print(sys.base_prefix)"]
    probed = subprocess.run(probe, cwd="/", capture_output=True, text=True, check=False)
    if probed.stdout.strip() == sys.base_prefix:
        os.chown(folder, NOBODY, NOBODY)
        return f"uid {NOBODY}", nobody
    # Python is where only root may look. Without capabilities, root may write no read-only file.
    return "root without capabilities", ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the right to write away from all files of a folder, and give it back."""
    subprocess.run(["chmod", "-R", "a-w", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def packages(it: Installed) -> str:
    """Nothing of the environment can be written."""
    code = (
        "import os, stills; folder = os.path.dirname(stills.__file__)\n"
        "try: open(os.path.join(folder, 'new'), 'w')\n"
        "except OSError: print(folder)"
    )
    folder = it.run(it.python, "-c", code).strip()
    _require(folder.startswith(str(it.python.parents[1])), f"stills is not in it: {folder!r}")
    return f"read-only for {it.user}"


def generate(it: Installed) -> str:
    """An image is generated, and the second time it is found."""
    made, found = (json.loads(it.run("stills", "generate", *KITE, "--sandbox")) for _ in range(2))
    with urllib.request.urlopen(made["image_url"]) as image:
        _require(image.read().startswith(PNG), "no PNG")
    _require(made["image_url"] == found["image_url"], "the second call made another image")
    return f"{made['width']}x{made['height']}, then from the catalog"


def python(it: Installed) -> str:
    """The library works without the command."""
    code = (
        "from stills import ImageRequest, generate\n"
        "print(generate(ImageRequest(prompt='a boat', size='256*256'), sandbox=True).width)"
    )
    _require(it.run(it.python, "-c", code).strip() == "256", "another width")
    return "stills.generate()"


def batch(it: Installed) -> str:
    """A shot list becomes a folder of images."""
    it.run("stills", "batch", "-", "-o", "film", "--takes", "2", "--sandbox", stdin=SHOTS)
    made = sorted(path.name for path in (it.folder / "film" / "images").iterdir())
    _require(len(made) == 4, f"4 images expected: {made}")
    return "2 shots, 2 takes each"


def review(it: Installed) -> str:
    """The page of the batch is served, and a take is picked."""
    with it.start("stills", "review", "film", "--sandbox") as process:
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(_url(process), timeout=WAIT_SECONDS) as page:
            _require(b"<html" in page.read(), "no page")
    it.run("stills", "pick", "1A", "2", "-o", "film")
    return "the page, and a pick"


def serve(it: Installed) -> str:
    """The service generates an image, and serves its file."""
    with it.start("stills", "serve", "--port", "0", "--sandbox") as process:
        body = {"prompt": "a red kite", "size": "1024x1024", "response_format": "url"}
        answer = _post(f"{_url(process)}/images/generations", body)
        with urllib.request.urlopen(answer["data"][0]["url"], timeout=WAIT_SECONDS) as image:
            _require(image.read().startswith(PNG), "no PNG")
    return "an image over HTTP"


def mcp(it: Installed) -> str:
    """A client of MCP lists the tools, and generates an image."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}}
    client["clientInfo"] = {"name": "check", "version": "1"}
    kite = {"name": "image_generate", "arguments": {"prompt": "a red kite", "size": "512x512"}}
    with it.start("stills", "mcp", "--sandbox") as process:
        _call(process, 1, "initialize", client)
        _say(process, {"method": "notifications/initialized"})
        tools = _call(process, 2, "tools/list", {})["tools"]
        _require(not _call(process, 3, "tools/call", kite).get("isError"), "the tool failed")
    return f"{len(tools)} tools, an image"


def sandbox(it: Installed) -> str:
    """Another process uses the sandbox as the service, and is billed there."""
    with it.start("stills", "sandbox") as process:
        assert process.stdout is not None
        base, key, control = (process.stdout.readline().strip() for _ in range(3))
        exported = dict(line.removeprefix("export ").split("=", 1) for line in (base, key))
        it.run("stills", "generate", *KITE, OUTPUT_DIR=str(it.folder / "other"), **exported)
        with urllib.request.urlopen(f"{control.split()[-1]}/ledger", timeout=20) as ledger:
            billed = json.load(ledger)["totals"]["billed_images"]
    _require(billed == 1, f"{billed} images billed")
    return "one image billed"


def export(it: Installed) -> str:
    """The picked frames become a timeline and a storyboard."""
    for form in ("otio", "edl", "pdf"):
        it.run("stills", "export", "film", "--to", form)
    return "a timeline and a storyboard"


def worker(it: Installed) -> str:
    """A worker generates the shots of a job."""
    job = it.run("stills", "batch", "-", "--queue", "--sandbox", stdin=SHOTS).split()[0]
    with it.start("stills", "worker", "--sandbox"):
        it.run("stills", "jobs", "wait", job, "-o", "queued")
    made = [*(it.folder / "queued" / "images").iterdir()]
    _require(len(made) == 2, f"{len(made)} images")
    return "a job of 2 shots"


CHECKS: list[Callable[[Installed], str]] = [
    packages, generate, python, batch, review, serve, mcp, sandbox,
]  # fmt: skip
EXTRAS = {export: "opentimelineio", worker: "dbos"}
"""Checks of extras, each with the module that it needs."""


def check(venv: Path) -> bool:
    """Run all checks, and print a line for each; returns whether all passed."""
    passed = True
    with tempfile.TemporaryDirectory(prefix="stills-installed-") as folder, read_only(venv):
        it = Installed(venv, Path(folder))
        for run in [*CHECKS, *(extra for extra in EXTRAS if it.find_module(EXTRAS[extra]))]:
            try:
                print(f"ok     {run.__name__:10} {run(it)}", flush=True)
            except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
                print(f"FAILED {run.__name__:10} {error}", flush=True)
                passed = False
    return passed


def _require(true: bool, otherwise: str) -> None:
    if not true:
        raise Failed(otherwise)


def _url(process: subprocess.Popen[str]) -> str:
    """Return the address that a server prints first."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    if found is None:
        raise Failed(f"no address in {line!r}")
    return found[0]


def _post(url: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:
        return json.load(answer)


def _say(process: subprocess.Popen[str], message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    process.stdin.flush()


def _call(process: subprocess.Popen[str], number: int, method: str, given: dict[str, Any]) -> Any:
    """Call a method of a server on standard input and output."""
    assert process.stdout is not None
    _say(process, {"id": number, "method": method, "params": given})
    for line in process.stdout:
        message = json.loads(line)
        if message.get("id") == number:
            if "result" not in message:
                raise Failed(f"{method}: {message}")
            return message["result"]
    raise Failed(f"the server ended during {method}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("venv", type=lambda path: Path(path).absolute())
    sys.exit(not check(parser.parse_args().venv))
