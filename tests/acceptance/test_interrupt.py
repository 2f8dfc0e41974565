"""Ctrl-C, SIGTERM and a closed terminal: before the call, during it, and a second time."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.progress_lines import read_message, without_progress

KITE = ["generate", "a red kite", "--size", "1024*1024", "--seed", "1"]
SCRIPT = (
    Path(__file__).parents[2]
    / "skills/ai/image/alicloud-ai-image-qwen-image/scripts/generate_image.py"
)


def wait_for_send(service, kind: str) -> None:
    give_up = time.monotonic() + 30
    while not any(send["kind"] == kind for send in service.ledger()["sends"]):
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture
def begin(command, environment, service, tmp_path: Path):
    """Start `stills generate`, or another program, on the service and leave it running."""

    processes: list[subprocess.Popen[str]] = []

    def start(*program: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            program or [*command, *KITE],
            env=environment | service.variables | variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()  # only a failed test leaves one running
        process.communicate()


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
REQUEST = json.dumps({"prompt": "a red kite", "size": "1024*1024", "seed": 1})
CALLS_THE_LIBRARY = """\
import stills
stills.generate(stills.ImageRequest(prompt="a red kite", size="1024*1024", seed=1))
"""
PROGRAMS = {
    "generate": [sys.executable, "-m", "stills", *KITE],
    "skill": [sys.executable, str(SCRIPT), "--request", REQUEST],
    "library": [sys.executable, "-c", CALLS_THE_LIBRARY],
}


def interrupt_twice(process: "subprocess.Popen[str]") -> str:
    """Send a second signal once the first was handled; return what was printed until then."""
    process.send_signal(signal.SIGINT)
    said = read_message(process.stderr)
    process.send_signal(signal.SIGINT)
    return said


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("program", ["generate", "skill"])
def test_the_first_interruption_finishes_what_was_sent(begin, service, rows, program, number):
    """It says that it is finishing, prints the result, and exits with 0."""
    service.set_faults({"kind": "slow", "delay_seconds": 3})
    process = begin(*PROGRAMS[program])
    wait_for_send(service, "generation")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert without_progress(stderr).startswith(
        "stills: finishing API calls in flight; press Ctrl-C again to stop now.\n"
    )
    assert "billed 0.075 USD" in stderr
    assert Path(stdout.strip()).is_file()
    assert rows("SELECT stage FROM generations") == [("kept",)]
    assert service.billed() == 1


@pytest.mark.parametrize("program", ["generate", "skill"])
def test_an_interruption_while_downloading_finishes_the_download(begin, service, program):
    """The image is paid for, so it is stored."""
    service.set_faults({"kind": "slow_download", "delay_seconds": 3})
    process = begin(*PROGRAMS[program])
    wait_for_send(service, "download")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert Path(stdout.strip()).is_file()
    assert service.billed() == 1


@pytest.mark.parametrize("program", ["generate", "skill"])
def test_the_second_interruption_stops_immediately(
    run, begin, service, rows, tmp_path: Path, program
):
    """Nothing is left half done; the error, the ledger and a retry all report the possible bill."""
    service.set_faults({"kind": "slow", "delay_seconds": 30})
    process = begin(*PROGRAMS[program])
    wait_for_send(service, "generation")
    assert "finishing API calls" in interrupt_twice(process)
    stdout, stderr = process.communicate(timeout=20)
    stderr = without_progress(stderr)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.startswith("stills: interrupted. ")
    assert "may be billed" in stderr
    assert stderr.count("\n") == 1
    output = tmp_path / "output" / "ai-image-qwen-image"
    assert list(output.glob("images/*.png")) == []
    assert rows("SELECT count(*) FROM claims") == [(0,)]

    service.set_faults()
    again = run(*KITE, variables=service.variables)
    assert again.returncode == 0, again.stderr
    assert "it may be billed" in again.stderr
    assert json.loads(run("spend", "--json").stdout)["possible"] == 1


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interruption_before_anything_was_sent_ends_at_once(
    run, begin, service, rows, wait_until, number
):
    """While waiting for the rate limit, nothing was sent or billed, and the error says so."""
    variables = service.variables | {"STILLS_RATE_LIMIT": "1/h"}
    assert run(*KITE[:2], "--size", "64*64", variables=variables).returncode == 0
    process = begin(*PROGRAMS["generate"], STILLS_RATE_LIMIT="1/h", STILLS_DEADLINE_SECONDS="9000")
    wait_until(lambda: rows("SELECT count(*) FROM claims") == [(1,)])
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    stderr = without_progress(stderr)
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "stills: interrupted before anything was sent; nothing was billed.\n"
    assert rows("SELECT count(*) FROM claims") == [(0,)]
    assert service.ledger()["totals"]["generations"] == 1


def test_a_refused_call_is_not_retried_after_an_interruption(begin, service, wait_until):
    """It ends with the service's refusal instead of waiting as the service requested."""
    service.set_faults({"kind": "throttled", "retry_after_seconds": 500, "times": None})
    process = begin()
    wait_until(lambda: any(send["finished"] for send in service.ledger()["sends"]))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 4, stderr
    assert "possibly billed" not in stderr
    assert len(service.ledger()["sends"]) == 1


def test_a_script_that_calls_the_library_stores_the_image_on_ctrl_c(begin, service, rows):
    """KeyboardInterrupt follows once the image is stored; the log explains the delay."""
    service.set_faults({"kind": "slow", "delay_seconds": 3})
    process = begin(*PROGRAMS["library"])
    wait_for_send(service, "generation")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, stderr
    assert stderr.startswith("finishing what was sent; Ctrl-C again stops now\n")
    assert "KeyboardInterrupt" in stderr
    assert rows("SELECT stage FROM generations") == [("kept",)]
    assert service.billed() == 1


def test_a_script_that_calls_the_library_stops_on_the_second_ctrl_c(begin, service, rows):
    """The call's claim is released, so that the next run does not wait for it."""
    service.set_faults({"kind": "slow", "delay_seconds": 30})
    process = begin(*PROGRAMS["library"])
    wait_for_send(service, "generation")
    assert interrupt_twice(process).startswith("finishing")
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT, stderr
    assert rows("SELECT stage FROM generations") == [("sent",)]
    assert rows("SELECT count(*) FROM claims") == [(0,)]


def test_only_sigterm_stops_a_background_job_of_a_shell_script(begin, service):
    """The shell makes such jobs ignore Ctrl-C; SIGTERM lets the call in flight finish."""
    service.set_faults({"kind": "slow", "delay_seconds": 3})
    shell = "trap '' INT; exec \"$@\""
    process = begin("sh", "-c", shell, "sh", *PROGRAMS["generate"])
    wait_for_send(service, "generation")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert Path(stdout.strip()).is_file()


def test_a_closed_terminal_does_not_end_a_process_started_with_nohup(begin, command, service):
    """It runs to its end."""
    service.set_faults({"kind": "slow", "delay_seconds": 1})
    process = begin("nohup", *command, *KITE)
    wait_for_send(service, "generation")
    process.send_signal(signal.SIGHUP)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert Path(stdout.strip()).is_file()


def test_generate_many_finishes_what_was_sent(begin, service, rows):
    """Ctrl-C ends the loop at once; the program ends when what was sent is stored."""
    service.set_faults({"kind": "slow", "delay_seconds": 3})
    process = begin(
        sys.executable, "-c",
        "import stills\n"
        "kites = (stills.ImageRequest(prompt=f'kite {n}', size='512*512') for n in range(50))\n"
        "for outcome in stills.generate_many(kites, concurrency=2): pass\n",
        STILLS_RATE_LIMIT="none",
    )  # fmt: skip
    wait_for_send(service, "generation")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert stderr.startswith("finishing what was sent; Ctrl-C again stops now\n")
    assert stderr.endswith("KeyboardInterrupt\n")
    assert not rows("SELECT id FROM generations WHERE stage IN ('sent', 'answered')")
    assert service.billed() == len(rows("SELECT id FROM generations WHERE stage = 'kept'")) < 20
