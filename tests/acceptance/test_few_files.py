"""With few open files, a call is paid for at most once, and a process that can't go on says why."""

import signal
import subprocess

import pytest
from tests.support.s3 import serve_s3

KITE = ("a red kite", "--size", "512*512")


@pytest.fixture
def start(command, environment, tmp_path):
    """Start `stills` with a limit on open files."""

    def start_limited(files: int | None, variables: dict[str, str], *arguments: str):
        limit = [] if files is None else ["sh", "-c", 'ulimit -n "$0"; exec "$@"', str(files)]
        return subprocess.Popen(
            [*limit, *command, *arguments], env=environment | variables, cwd=tmp_path, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start_limited


@pytest.fixture
def run_limited(start):
    """Run it until it ends by itself."""

    def run(*arguments) -> tuple[int, str]:
        with start(*arguments) as process:
            try:
                _, errors = process.communicate(timeout=60)
            finally:
                process.kill()
        return process.returncode, errors.strip().splitlines()[-1] if errors.strip() else ""

    return run


@pytest.fixture(params=["folder", "bucket"])
def store(request):
    """The variables of a store of each kind."""
    if request.param == "folder":
        yield {}
        return
    with serve_s3() as variables:
        yield {**variables, "STILLS_STORE": "s3://bucket/images"}


@pytest.mark.parametrize("files", [9, 12, 18, 28])
def test_an_image_is_paid_for_at_most_once_whatever_the_limit_of_open_files(
    run_limited, service, store, files
):
    """It is stored, or the call is not made; a retry with more files pays at most once."""
    variables = service.variables | store
    code, line = run_limited(files, variables, "generate", *KITE)
    billed = service.billed()
    assert (code, billed) in {(0, 1), (7, 0), (8, 0)}, line
    assert code != 8 or "nothing was sent" in line
    assert run_limited(None, variables, "generate", *KITE)[0] == 0
    assert service.billed() == 1


@pytest.mark.parametrize("files", [14, 24])
def test_a_batch_pays_for_each_image_once_whatever_the_limit_of_open_files(
    run_limited, start_service, tmp_path, files
):
    """Shots share the remaining files, and a shot that failed late is finished for free."""
    service = start_service("--latency", "0.3")
    rows = "".join(f"s{number},kite {number},512*512\n" for number in range(6))
    (tmp_path / "shots.csv").write_text("id,prompt,size\n" + rows)
    batch = ("batch", "shots.csv", "-o", "out", "--yes")
    run_limited(files, service.variables, *batch)
    run_limited(files, service.variables, *batch)
    code, line = run_limited(None, service.variables, *batch)
    assert (code, service.billed()) == (0, 6), line


def test_a_signal_ends_a_process_with_few_files(start, start_service, store, wait_until):
    """The first SIGTERM ends it, or the second one if a call is in flight."""
    service = start_service("--latency", "20")
    process = start(24, service.variables | store, "generate", *KITE)
    wait_until(lambda: process.poll() is not None or service.ledger()["sends"])
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=5)
            break
        except subprocess.TimeoutExpired:
            continue
    else:
        process.communicate(timeout=20)
    assert process.returncode in {7, 8, 130}
