"""The synchronous functions as scripts use them, each script in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import stills as package

SOURCES = Path(package.__file__).resolve().parents[1]
START = """
import logging, os, threading
import stills
from stills import ImageRequest, Stills, errors, generate, generate_many

opened = []
from_env = Stills.from_env
Stills.from_env = lambda **options: opened.append(options) or from_env(**options)

def kite(number):
    return ImageRequest(prompt=f"kite {number}", size="128*128")
"""


@pytest.fixture
def run(tmp_path):
    """Run a script in an empty home; returns what it prints, line by line."""

    def run_script(script, **environment):
        done = subprocess.run(
            [sys.executable, "-c", START + script], cwd=tmp_path, timeout=120, check=False,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HOME": str(tmp_path),
                 "PYTHONWARNINGS": "ignore:This process:DeprecationWarning",  # of os.fork
                 **environment},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        return done.stdout.splitlines()

    return run_script


def test_the_catalog_stays_open_across_calls(run):
    """Three calls open it once."""
    printed = run("""
for _ in range(3):
    print(generate(kite(1), sandbox=True).cached)
print(len(opened))
""")
    assert printed == ["False", "True", "True", "1"]


def test_the_catalog_is_closed_when_the_program_ends(run, tmp_path):
    """SQLite's extra files are gone, so a copy of the catalog is complete."""
    run("generate(kite(1), sandbox=True)")
    names = {path.name for path in (tmp_path / "output" / "ai-image-qwen-image").iterdir()}
    assert "stills.db" in names
    assert not names & {"stills.db-wal", "stills.db-shm"}


def test_another_folder_has_another_catalog(run, tmp_path):
    """A call reads the environment and the current folder again."""
    run("""
generate(kite(1), sandbox=True)
os.environ["OUTPUT_DIR"] = "second"
generate(kite(1), sandbox=True)
os.mkdir("third")
os.chdir("third")
generate(kite(1), sandbox=True)
""")
    assert sorted(path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("stills.db")) == [
        "output", "second", "third",
    ]  # fmt: skip


def test_threads_that_want_one_image_pay_once(run):
    """Eight threads share one call."""
    printed = run("""
results = []
threads = [
    threading.Thread(target=lambda: results.append(generate(kite(1), sandbox=True)))
    for _ in range(8)
]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(result.cost_usd > 0 for result in results), len({result.id for result in results}))
""")
    assert printed == ["1 1"]


def test_a_key_that_is_added_later_is_found(run):
    """An error does not keep what it was based on."""
    printed = run("""
for _ in range(2):
    try:
        generate(kite(1))
    except errors.StillsError as error:
        print(error.code)
    with open(".env", "w") as file:
        file.write("DASHSCOPE_API_KEY=sk-sandbox-1")
""")
    assert printed == ["missing_key", "access"]


def test_many_requests_have_outcomes_as_they_finish(run):
    """Requests come from any iterable; errors are outcomes."""
    printed = run("""
outcomes = list(generate_many((kite(number) for number in (1, 2, 2)), sandbox=True))
print(sorted(outcome.index for outcome in outcomes))
print(sum(outcome.result.cost_usd > 0 for outcome in outcomes))
wrong = ImageRequest(prompt="a kite", size="64*64", reference_image="missing.png")
(outcome,) = generate_many([wrong], model="qwen-image-2.0", sandbox=True)
print(outcome.error.code)
""")
    assert printed == ["[0, 1, 2]", "2", "invalid_reference"]


def test_a_limit_on_the_cost_is_kept(run):
    """Of one image, or of all takes together; stored images cost nothing."""
    printed = run("""
def attempt(make, **options):
    try:
        make(kite(1), sandbox=True, **options)
        print("made")
    except errors.BudgetExceeded:
        print("too expensive")

attempt(generate, max_cost_usd=0.07)
attempt(generate, max_cost_usd=0.08)
attempt(generate, max_cost_usd=0.07)
attempt(stills.generate_takes, takes=3, max_cost_usd=0.1)
attempt(stills.generate_takes, takes=3, max_cost_usd=0.16)
""")
    assert printed == ["too expensive", "made", "made", "too expensive", "made"]


def test_an_error_that_nobody_catches_says_what_to_do(run):
    """The traceback ends with the message and the action."""
    printed = run("""
import sys, traceback
try:
    generate(kite(1))
except stills.StillsError as error:
    print(traceback.format_exc())
""")
    assert printed[-3].endswith("MissingKey: No API key was given.")
    assert printed[-2].startswith("Set DASHSCOPE_API_KEY, or ")


def test_a_mistake_in_the_requests_is_raised(run):
    """Something that is not a request ends the run, and so does the iterable's own error."""
    printed = run("""
def broken():
    yield kite(1)
    raise ZeroDivisionError
for requests in ([{"prompt": "a kite"}], broken()):
    try:
        list(generate_many(requests, sandbox=True))
    except (errors.InvalidRequest, ZeroDivisionError) as error:
        print(type(error).__name__)
""")
    assert printed == ["InvalidRequest", "ZeroDivisionError"]


def test_leaving_the_loop_loses_no_image(run):
    """What was sent when the loop ended is stored before the program ends."""
    run("""
for outcome in generate_many((kite(number) for number in range(20)), sandbox=True):
    break
""")
    printed = run("""
import asyncio
async def count():
    async with Stills.from_catalog() as stills:
        lines = await stills.spend()
        print(sum(line.billed + line.possible for line in lines))
        print(len(await stills.images.list(limit=50)))
asyncio.run(count())
""")
    sent, stored = map(int, printed)
    assert sent == stored > 0


def test_a_loop_that_is_still_open_at_the_end_loses_no_image(run):
    """A script that ends with it stores what was sent, and ends."""
    printed = run("""
outcomes = generate_many([kite(number) for number in range(8)], concurrency=4, sandbox=True)
print(next(outcomes).error)
""")
    assert printed == ["None"]
    printed = run("""
import asyncio

async def count():
    async with Stills.from_catalog() as stills:
        (line,) = await stills.spend()
        images = await stills.images.list(limit=100)
        print(line.possible, line.billed == len({image.generation.id for image in images}))

asyncio.run(count())
""")
    assert printed == ["0 True"]


def test_a_fork_during_a_loop_harms_neither_process(run):
    """While the loop waits for its reader, it looks idle."""
    printed = run("""
import time
from stills.blocking_session import SESSION

outcomes = generate_many([kite(number) for number in range(6)], concurrency=1, sandbox=True)
next(outcomes)
while SESSION._opened.stills.under_way:
    time.sleep(0.05)
child = os.fork()
if not child:
    outcomes.close()
    print("left", flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(sum(outcome.error is None for outcome in outcomes))
""")
    assert printed == ["left", "5"]


def test_an_event_loop_is_not_blocked(run):
    """Inside of a coroutine, each function says what to use instead."""
    printed = run("""
import asyncio
async def main():
    for call in (lambda: generate(kite(1)), lambda: generate_many([kite(1)])):
        try:
            call()
        except RuntimeError as error:
            print(error)
asyncio.run(main())
""")
    assert len(printed) == 2
    assert all("async with Stills.from_env()" in line for line in printed)


def test_a_fork_between_calls_harms_neither_process(run):
    """The parent closes its catalog before the fork; both go on with one of their own."""
    printed = run("""
import sys
generate(kite(1), sandbox=True)
child = os.fork()
print(generate(kite(1), sandbox=True).cached, flush=True)
if not child:
    sys.exit()
print(os.waitpid(child, 0)[1], generate(kite(2), sandbox=True).cached, len(opened))
""")
    assert sorted(printed) == ["0 False 2", "True", "True"]


def test_the_log_says_what_a_call_waits_for(run):
    """At INFO, `stills` reports waits, and pyvips reports nothing."""
    printed = run(
        """
import sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
for number in range(2):
    generate(kite(number), sandbox=True)
""",
        STILLS_RATE_LIMIT="10/min",
    )
    assert [line for line in printed if re.fullmatch(r"INFO:stills:rate limit: \d s", line)]
    assert not [line for line in printed if "pyvips" in line]
