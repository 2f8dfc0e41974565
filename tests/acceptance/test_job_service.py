"""Jobs of the HTTP service, while its processes are killed and started again."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook
from tests.support.quick_worker import QUICK_WORKER
from tests.support.serve_process import Server

SHOTS = [{"id": str(number), "prompt": f"kite {number}", "size": "256*256"} for number in range(40)]
SERVE = ("-m", "stills", "serve")
WORKER = (str(QUICK_WORKER), "6")  # taken for dead after 6 s
SECRET = "the secret of this test's webhooks"


@pytest.fixture
def received():
    """Start a receiver of webhooks; yields its URL, and what it got as headers and bodies."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(environment, service, tmp_path):
    """Start `stills serve` or a worker, to be killed at the end of the block."""
    variables = {
        "STILLS_WEBHOOK_SECRET": SECRET, "STILLS_WEBHOOK_PRIVATE": "1", "STILLS_RATE_LIMIT": "none",
    }  # fmt: skip

    @contextmanager
    def run(program, *options):
        process = subprocess.Popen(
            [sys.executable, *program, *options],
            env=environment | service.variables | variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    return run


def call(url, body=None):
    asked = urllib.request.Request(
        url, body and json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


def wait_until(true):
    give_up = time.monotonic() + 150
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def test_a_service_that_stops_ends_the_events_of_a_job(start):
    """It does not wait for the job, which goes on, so what was sent has all the time to finish."""
    with start(SERVE, "--port", "0", "--insecure") as process:
        server = Server(process)
        job = call(f"{server.url}/v1/jobs", {"shots": SHOTS})
        followed = urllib.request.urlopen(f"{server.url}/v1/jobs/{job['id']}/events", timeout=60)
        with followed as events:
            while events.readline() != b"event: job\n":
                pass
            process.terminate()
            *_, event, data, _ = events.read().splitlines()
        assert event == b"event: error"
        error = json.loads(data.removeprefix(b"data: "))["error"]
        assert (error["code"], "it goes on" in error["message"]) == ("stopping", True)
        assert process.wait(60) == 0


def test_a_job_and_its_webhook_survive_all_processes(start, service, received):
    """Service and worker are killed in the middle; after a restart, others finish the job."""
    url, got = received
    with start(SERVE, "--port", "0", "--insecure") as process:
        server = Server(process)
        submitted = call(f"{server.url}/v1/jobs", {"shots": SHOTS, "webhook_url": url})
        with start(WORKER, "--concurrency", "2"):
            wait_until(lambda: service.billed() >= 5)
    assert not got
    with start(SERVE, "--port", "0", "--insecure") as process, start(WORKER):
        server = Server(process)
        wait_until(lambda: got)
        job = call(f"{server.url}/v1/jobs/{submitted['id']}?limit=1000")
    headers, body = got[0]
    report = Webhook(submitted["webhook_secret"]).verify(body, headers)
    assert report["type"] == "job.done"
    counts = job["counts"]
    assert counts["done"] + counts["unknown"] == len(SHOTS)
    assert counts["unknown"] <= 2  # the calls that the kill interrupted
    assert job["spend"]["billed"] + job["spend"]["possible"] >= service.billed()
    assert service.billed() <= len(SHOTS)
