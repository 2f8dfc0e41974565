"""The proxy examples: the real nginx and Caddy in front of a real service."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.documents import ROOT
from tests.support.free_port import free_port
from tests.support.serve_process import Server

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CADDY = str(Path(sys.executable).parent / "caddy")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service with one API key, as a proxy needs it."""
    folder = tmp_path_factory.mktemp("service")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OUTPUT_DIR": str(folder)}
    stills = [sys.executable, "-m", "stills"]
    added = subprocess.run(
        [*stills, "keys", "add", "proxy"], env=environment, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    key = re.search(r"stills_\S+", added.stdout)
    assert key
    with subprocess.Popen(
        [*stills, "serve", "--sandbox", "--port", "0"], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        server = Server(process)
        try:
            yield server.url, key[0]
        finally:
            server.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for stills.example.com and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-keyout", folder / "key.pem", "-out", folder / "chain.pem",
         "-subj", "/CN=stills.example.com", "-addext", "subjectAltName=DNS:stills.example.com"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request, service, certificate, tmp_path):
    """A proxy with our example, on a free port; yields its address and an API key."""
    url, key = service
    port, plain = free_port(), free_port()
    if request.param == "nginx":
        config = tmp_path / "nginx.conf"
        example = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
        for old, new in {
            "127.0.0.1:8000": url.removeprefix("http://"),
            "listen 443": f"listen 127.0.0.1:{port}",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "/etc/letsencrypt/live/stills.example.com/fullchain.pem": f"{certificate}/chain.pem",
            "/etc/letsencrypt/live/stills.example.com/privkey.pem": f"{certificate}/key.pem",
        }.items():
            assert old in example
            example = example.replace(old, new)
        folders = "".join(
            f"{name}_temp_path {tmp_path}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{folders}{example}}}\n",
            encoding="utf-8",
        )
        command = [NGINX, "-c", config, "-e", f"{tmp_path}/error.log"]
        if os.geteuid() == 0:
            command += ["-g", "user root;"]
    else:
        config = tmp_path / "Caddyfile"
        example = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")
        for old, new in {
            "127.0.0.1:8000": url.removeprefix("http://"),
            "stills.example.com {": f"stills.example.com:{port} {{\n\tbind 127.0.0.1\n"
            f"\ttls {certificate}/chain.pem {certificate}/key.pem",
        }.items():
            assert old in example
            example = example.replace(old, new)
        config.write_text(
            "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + example, encoding="utf-8"
        )
        command = [CADDY, "run", "--config", config]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            way = Proxy(port, certificate, key)
            for _ in range(600):
                assert process.poll() is None, process.stderr.read()
                if way.answers():
                    break
                time.sleep(0.05)
            else:
                pytest.fail("the proxy does not answer")
            yield way
        finally:
            process.terminate()


class Proxy:
    """The way from a client to the service: curl, TLS, the proxy."""

    def __init__(self, port, certificate, key):
        self.base = f"https://stills.example.com:{port}"
        self.key = key
        self._curl = [
            "curl", "-sS", "--max-time", "60", "--cacert", certificate / "chain.pem",
            "--resolve", f"stills.example.com:{port}:127.0.0.1",
        ]  # fmt: skip

    def get(self, path, *options):
        """Return the status and the body of a request."""
        asked = subprocess.run(
            [*self._curl, *options, "-w", "\n%{http_code}", self.base + path],
            capture_output=True, check=True,
        )  # fmt: skip
        body, _, status = asked.stdout.rpartition(b"\n")
        return int(status), body

    def post(self, path, body, *options):
        """Send JSON with the API key; return the status and the body."""
        return self.get(
            path, "-H", f"Authorization: Bearer {self.key}", "-H",
            "Content-Type: application/json", "-d", body, *options,
        )  # fmt: skip

    def answers(self):
        """Return whether the service answers through the proxy."""
        try:
            return self.get("/healthz")[0] == 200
        except subprocess.CalledProcessError:
            return False


def test_an_image_is_generated_and_downloaded_through_the_proxy(proxy):
    """The answer names an image, and its bytes arrive unchanged."""
    status, body = proxy.post("/v1/image.generate", '{"prompt": "a kite", "size": "512*512"}')
    assert status == 200
    image = json.loads(body)["image_url"]
    status, picture = proxy.get("/images/" + image.rpartition("/")[2])
    assert (status, picture[:8]) == (200, b"\x89PNG\r\n\x1a\n")


def test_links_to_images_name_the_proxy(proxy):
    """A client gets links that it can open, because the proxy passes the Host on."""
    _, body = proxy.post("/v1/image.generate", '{"prompt": "a kite", "size": "512*512"}')
    assert "stills.example.com" in json.loads(body)["image_url"]


def test_browsers_use_only_tls_from_then_on(proxy):
    """So nobody in between can offer them a login page without TLS."""
    _, answer = proxy.get("/login", "--include")
    assert b"strict-transport-security: max-age=31536000" in answer.lower()


def test_events_arrive_through_the_proxy(proxy):
    """A stream of events has its stages and its result."""
    status, body = proxy.post(
        "/v1/image.generate", '{"prompt": "a kite", "size": "512*512", "fresh": true}',
        "-H", "Accept: text/event-stream",
    )  # fmt: skip
    assert status == 200
    assert body.index(b"event: stage") < body.index(b"event: result")


def test_a_stranger_needs_a_key(proxy):
    """The proxy's own address gives nobody the rights of a local program."""
    body = '{"prompt": "a kite", "size": "512*512"}'
    status, _ = proxy.get(
        "/v1/image.generate", "-H", "Content-Type: application/json", "-d", body
    )  # fmt: skip
    assert status == 401


@pytest.mark.parametrize("name", ["metrics", "readyz"])
@pytest.mark.parametrize("form", ["/{}", "/{}/", "//{}//", "/x/../{}", "/%{:x}{}"])
def test_monitoring_is_private(proxy, form, name):
    """Metrics and readiness are not shown to the internet, however the path is written."""
    path = form.format(ord(name[0]), name[1:]) if "%" in form else form.format(name)
    status, body = proxy.get(
        path, "--path-as-is", "-H", f"Authorization: Bearer {proxy.key}", "--location"
    )  # fmt: skip
    assert (status, b"stills_" in body or b"status" in body) == (404, False)


def test_a_body_of_the_services_own_size_passes(proxy, tmp_path):
    """The proxy refuses no body that the service accepts, and refuses larger ones."""
    body = tmp_path / "body"
    for size, expected in ((19_000_000, 400), (23_000_000, 413)):
        body.write_bytes(b"{" + b" " * size)
        # With HTTP/1.1, curl asks before it sends the body.
        assert proxy.post("/v1/image.generate", f"@{body}", "--http1.1")[0] == expected
