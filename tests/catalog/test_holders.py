"""Claims of real processes: a dead one holds nothing, a paused one keeps its open call."""

import mmap
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.catalog_steps import PRICE_USD, SIZE, Till, spec

from stills.catalog import processes
from stills.contract.errors import BudgetExceeded
from stills.contract.generation import CatalogHit, Claim, Held, Stage
from stills.contract.money import Caps

LIVE, LAPSED = 600.0, -1.0  # seconds of the lease
STAGES = pytest.mark.parametrize("stage", [Stage.CLAIMED, Stage.SENT, Stage.ANSWERED])


@dataclass
class Holder:
    """A process that holds a claim on the key `a`."""

    process: subprocess.Popen[str]
    generation_id: str

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def kill(self, *, reaped: bool = True) -> None:
        self.process.kill()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        if reaped:
            self.process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stills.db"


@pytest.fixture
def hold(path: Path) -> Iterator[Callable[[Stage, float], Holder]]:
    """Start a process that claims the key and continues to a stage."""
    started: list[subprocess.Popen[str]] = []

    def start(stage: Stage, lease_seconds: float) -> Holder:
        command = [sys.executable, "-m", "tests.support.hold_claim"]
        process = subprocess.Popen(
            [*command, str(path), "a", stage, str(lease_seconds)],
            cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return Holder(process, process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


async def ask(till: Till) -> Claim | CatalogHit | Held:
    return await till.catalog.claim(spec("a"), SIZE, lease_seconds=60.0, fresh=False, caps=Caps())


def edit_claims(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE claims SET {change}")


@STAGES
@pytest.mark.parametrize("reaped", [True, False], ids=["reaped", "zombie"])
async def test_a_killed_process_holds_nothing(till: Till, hold, stage: Stage, reaped: bool):
    """Its key is free at once, although its lease lasts for minutes."""
    holder = hold(stage, LIVE)
    assert isinstance(await ask(till), Held)
    assert list(await till.catalog.list_unfinished()) == []
    holder.kill(reaped=reaped)
    left = [generation.id for generation in await till.catalog.list_unfinished()]
    assert left == ([] if stage is Stage.CLAIMED else [holder.generation_id])
    taken = await ask(till)
    assert isinstance(taken, Claim)
    assert (taken.generation.id == holder.generation_id) == (stage is Stage.ANSWERED)
    assert len(taken.generation.notes) == (1 if stage is Stage.SENT else 0)


async def test_a_paused_process_keeps_the_claim_of_an_open_call(till: Till, hold):
    """However long ago its lease ended; waiting processes learn which process it is."""
    holder = hold(Stage.SENT, LAPSED)
    holder.pause()
    held = await ask(till)
    assert isinstance(held, Held)
    assert (held.pid, held.host) == (holder.process.pid, socket.gethostname())
    assert list(await till.catalog.list_unfinished()) == []
    holder.kill()
    assert isinstance(await ask(till), Claim)


async def test_a_claim_belongs_to_the_process_that_took_it_over(till: Till, hold, path: Path):
    """The previous process no longer matters; only whether the new one lives."""
    hold(Stage.CLAIMED, LAPSED).kill()
    edit_claims(path, "scope = 'another boot or container'")
    assert isinstance(await ask(till), Claim)
    held = await ask(till)
    assert isinstance(held, Held)
    assert (held.pid, held.host) == (os.getpid(), socket.gethostname())
    with closing(sqlite3.connect(path)) as connection:
        scopes = connection.execute("SELECT scope FROM claims").fetchall()
    assert scopes == [(processes.this_process().scope,)]


@pytest.mark.parametrize("stage", [Stage.CLAIMED, Stage.ANSWERED])
async def test_a_paused_process_without_an_open_call_is_overtaken(till: Till, hold, stage: Stage):
    """Nothing can be billed twice: it has not sent yet, or only the download is missing."""
    hold(stage, LAPSED).pause()
    assert isinstance(await ask(till), Claim)


async def test_an_open_call_for_one_image_holds_no_other(till: Till, hold):
    """Also if one process has both: only what may be billed twice must wait."""
    await till.send(await till.claim("b"), None)
    hold(Stage.CLAIMED, LAPSED).pause()
    assert isinstance(await ask(till), Claim)


async def test_a_reused_pid_is_another_process(till: Till, hold, path: Path):
    """The holder has ended if its pid's process started at another time."""
    hold(Stage.SENT, LIVE)
    edit_claims(path, "started = started - 1")
    assert isinstance(await ask(till), Claim)


@pytest.mark.parametrize("lease_seconds", [LIVE, LAPSED])
@pytest.mark.parametrize(
    "elsewhere", ["scope = 'another boot or container'", "scope = NULL, started = NULL"]
)
async def test_the_lease_decides_if_a_process_can_t_be_seen(
    till: Till, hold, path: Path, lease_seconds: float, elsewhere: str
):
    """Its pid belongs to another process here, or to none."""
    holder = hold(Stage.SENT, lease_seconds)
    edit_claims(path, elsewhere)
    holder.kill()
    assert isinstance(await ask(till), Held if lease_seconds == LIVE else Claim)


@pytest.fixture
def proc(monkeypatch, tmp_path: Path) -> Iterator[Path]:
    """An empty folder instead of /proc."""
    folder = tmp_path / "proc"
    folder.mkdir()
    monkeypatch.setattr(processes, "PROC", folder)
    processes.this_process.cache_clear()
    yield folder
    processes.this_process.cache_clear()


@pytest.mark.parametrize("lease_seconds", [LIVE, LAPSED])
async def test_without_proc_the_lease_decides(till: Till, hold, proc: Path, lease_seconds: float):
    """As on macOS, or if /proc belongs to another container."""
    own = proc / str(os.getpid())
    own.mkdir()
    (own / "stat").write_bytes(Path("/proc/self/stat").read_bytes())
    (proc / "self").symlink_to("another pid than ours")
    hold(Stage.SENT, lease_seconds).kill()
    assert isinstance(await ask(till), Held if lease_seconds == LIVE else Claim)


async def test_a_process_of_another_user_is_judged_too(till: Till, hold, monkeypatch):
    """The system refuses to send it a signal, which shows that it exists."""
    hold(Stage.SENT, LAPSED)

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    try:
        assert isinstance(await ask(till), Held)
    finally:
        monkeypatch.undo()


@pytest.mark.usefixtures("proc")
def test_a_system_without_proc_identifies_no_process():
    """Then a pid may be of any process, also that of a claim made here."""
    own = processes.this_process()
    assert (own.scope, own.started) == (None, None)
    assert processes.judge(own.scope, own.pid, own.started) is processes.Life.UNKNOWN


def test_a_process_whose_files_are_hidden_may_have_ended(monkeypatch, tmp_path: Path):
    """As with the mount option hidepid: its pid exists, but may be another process's by now."""
    own = processes.this_process()
    monkeypatch.setattr(processes, "PROC", tmp_path)
    parent = processes.judge(own.scope, os.getppid(), own.started)
    assert parent is processes.Life.UNKNOWN


def test_a_process_that_grows_stays_the_same():
    """Its start time is not one of the numbers next to it."""
    before = processes.this_process()
    processes.this_process.cache_clear()
    with mmap.mmap(-1, 1 << 26):
        assert processes.this_process() == before


def test_a_process_is_not_disturbed_by_being_judged():
    """It gets no signal."""
    script = (
        "from stills.catalog.processes import this_process; own = this_process()\n"
        "print(own.scope, own.pid, own.started, sep='|', flush=True); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        scope, pid, started = process.stdout.readline().strip().split("|")
        assert processes.judge(scope, int(pid), int(started)) is processes.Life.ALIVE
        process.communicate("\n")
    assert process.returncode == 0


def test_a_system_without_time_namespaces_has_a_scope(monkeypatch, tmp_path: Path):
    """Linux has them since 5.6."""
    (tmp_path / "pid").symlink_to("pid:[1]")
    monkeypatch.setattr(processes, "NAMESPACES", tmp_path)
    processes.this_process.cache_clear()
    own = processes.this_process()
    processes.this_process.cache_clear()
    assert own.scope.endswith(" pid:[1] time")


async def test_a_killed_process_reserves_nothing(till: Till, hold):
    """Its share of the budget is free at once too."""
    holder = hold(Stage.CLAIMED, LIVE)
    caps = Caps(day_usd=PRICE_USD)
    with pytest.raises(BudgetExceeded):
        await till.claim("b", caps)
    holder.kill()
    await till.claim("b", caps)


async def test_a_lease_from_before_a_reboot_reserves_nothing(till: Till, hold, path: Path):
    """The machine's clock restarted, so the lease seems to end years ahead."""
    hold(Stage.CLAIMED, LIVE).kill()
    ahead = "lease_from = lease_from + 1e8, lease_until = lease_until + 1e8"
    edit_claims(path, f"scope = 'the boot before', {ahead}")
    await till.claim("b", Caps(day_usd=PRICE_USD))


async def test_a_forked_process_is_not_its_parent():
    """A child's claims are its own, and free when it ends."""
    script = (
        "import os; from stills.catalog.processes import judge, this_process\n"
        "own = this_process(); read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.write(write, b'%d' % (this_process() != own)); os._exit(0)\n"
        "os.wait(); print(os.read(read, 1) == b'1', judge(own.scope, own.pid, own.started))\n"
    )
    output = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert output.split() == ["True", "alive"]


async def test_a_process_with_a_hostile_name_is_read_correctly(tmp_path: Path):
    """The program's name precedes the start time, and may look like one."""
    program = tmp_path / ") Z 1 (1"
    program.symlink_to(sys.executable)
    script = (
        "from stills.catalog.processes import judge, this_process; own = this_process()\n"
        "print(own.scope, own.pid, own.started, sep='|', flush=True); input()\n"
    )
    with subprocess.Popen(
        [program, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:  # fmt: skip
        scope, pid, started = process.stdout.readline().strip().split("|")
        assert processes.judge(scope, int(pid), int(started)) is processes.Life.ALIVE
        process.communicate("\n")
    assert processes.judge(scope, int(pid), int(started)) is processes.Life.DEAD


def move_to_another_container(path: Path) -> None:
    """Give the holder's pid to another pid namespace of this kernel, where it can't be seen."""
    boot = processes.this_process().scope.split()[0]
    edit_claims(path, f"scope = '{boot} pid:[1] time:[1]'")


async def test_a_paused_process_in_another_container_keeps_its_open_call(
    till: Till, hold, path: Path
):
    """Its pid can't be seen, but its file lock can, as after `docker pause`."""
    holder = hold(Stage.SENT, LAPSED)
    move_to_another_container(path)
    holder.pause()
    assert isinstance(await ask(till), Held)
    holder.kill()
    assert isinstance(await ask(till), Claim)


async def test_a_killed_process_in_another_container_holds_nothing(till: Till, hold, path: Path):
    """The kernel releases its lock, so its key is free at once."""
    holder = hold(Stage.SENT, LIVE)
    move_to_another_container(path)
    assert isinstance(await ask(till), Held)
    holder.kill()
    assert isinstance(await ask(till), Claim)
