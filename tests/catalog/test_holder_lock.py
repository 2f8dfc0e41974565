"""Locks that show which process of another container is alive."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stills.catalog import processes
from stills.catalog.holder_lock import SUFFIX, HolderLock
from stills.catalog.processes import Life


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stills.db"


@pytest.fixture
def lock(path: Path) -> Iterator[HolderLock]:
    lock = HolderLock(path)
    yield lock
    lock.close()


@pytest.fixture
def elsewhere() -> tuple[str, int, int]:
    """A process in another container on this machine; its pid can't be seen."""
    boot = processes.this_process().scope.split()[0]
    return f"{boot} pid:[1] time:[1]", 1, 1


def test_a_catalog_locks_one_byte(path: Path, lock: HolderLock, elsewhere):
    """However often it claims; the bytes around it are free for others."""
    byte = lock.hold()
    assert lock.hold() == byte
    other = HolderLock(path)
    judged = [other.judge(*elsewhere, byte + number) for number in (-1, 0, 1)]
    other.close()
    assert judged == [Life.DEAD, Life.ALIVE, Life.DEAD]


def test_a_lock_ends_with_its_catalog(path: Path, lock: HolderLock, elsewhere):
    """Also that of a catalog that looked at the locks of others, whether it claimed or not."""
    held, other = lock.hold(), HolderLock(path)
    others = other.hold()
    assert lock.judge(*elsewhere, others) is Life.ALIVE
    assert lock.judge(*elsewhere, held) is Life.ALIVE
    lock.close()
    assert other.judge(*elsewhere, held) is Life.DEAD
    other.close()


def test_a_holder_without_a_lock_may_be_alive(lock: HolderLock, elsewhere):
    """It claimed on a system that has no such locks."""
    assert lock.judge(*elsewhere, None) is Life.UNKNOWN


def test_a_catalog_in_a_folder_that_can_not_be_written_has_no_lock(tmp_path: Path, elsewhere):
    """Then the lease decides, as everywhere without locks."""
    lock = HolderLock(tmp_path / "missing" / "stills.db")
    assert lock.hold() is None
    assert lock.judge(*elsewhere, 5) is Life.UNKNOWN
    lock.close()


def test_every_user_who_shares_a_catalog_can_lock(path: Path, lock: HolderLock):
    """As far as the umask allows; nobody can execute the file."""
    umask = os.umask(0)
    try:
        lock.hold()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.with_name(path.name + SUFFIX).stat().st_mode) == 0o666


def test_another_system_has_no_locks(path: Path):
    """It has neither fcntl nor fork, and never calls a holder dead that it can't see."""
    script = (
        "import os, sys, pathlib, secrets, socket, weakref\n"
        "sys.platform = 'other'; sys.modules['fcntl'] = None; del os.register_at_fork\n"
        "from stills.catalog.holder_lock import HolderLock\n"
        "lock = HolderLock(pathlib.Path(sys.argv[1]))\n"
        "print(lock.hold(), lock.judge('boot pid:[1] time:[1]', 1, 1, 5)); lock.close()\n"
    )
    output = subprocess.check_output([sys.executable, "-c", script, path], text=True)
    assert output.split() == ["None", "unknown"]


def test_a_lock_is_seen_by_other_catalogs_of_the_same_process(path: Path, elsewhere):
    """Closing one of several open catalogs releases only its own lock."""
    first, second, third = (HolderLock(path) for _ in range(3))
    bytes_held = first.hold(), second.hold()
    third.judge(*elsewhere, bytes_held[0])
    third.close()
    second.close()
    assert second.judge(*elsewhere, bytes_held[0]) is Life.ALIVE
    assert first.judge(*elsewhere, bytes_held[1]) is Life.DEAD
    first.close()
    second.close()


def test_a_forked_child_does_not_keep_the_lock_of_its_parent(
    path: Path, lock: HolderLock, elsewhere
):
    """Otherwise a worker would keep the claims of a dead parent."""
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "from stills.catalog.holder_lock import HolderLock\n"
        "lock = HolderLock(Path(sys.argv[1])); byte = lock.hold(); read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.close(1); os.write(write, b'1'); time.sleep(600); os._exit(0)\n"
        "os.read(read, 1); print(byte, flush=True); os._exit(0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        byte = int(parent.stdout.read())
        parent.wait()
        try:
            assert lock.judge(*elsewhere, byte) is Life.DEAD
        finally:
            os.killpg(parent.pid, signal.SIGKILL)
