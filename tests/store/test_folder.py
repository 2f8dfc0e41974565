"""The folder store: failures and what they leave behind."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import stills.store.folder
from stills.contract.errors import ImageMissing, StoreRefused
from stills.store import open_store

WHOLE = b"x" * 1_000_000


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )


async def test_opening_writes_nothing(tmp_path):
    """The first put creates the folder."""
    store = open_store(str(tmp_path / "images"))
    store.url("a.png")
    assert list(tmp_path.iterdir()) == []
    await store.put("a.png", b"1")
    assert (tmp_path / "images" / "a.png").read_bytes() == b"1"


async def test_a_relative_folder_is_resolved_at_opening(tmp_path, monkeypatch):
    """A later change of directory does not move the store."""
    monkeypatch.chdir(tmp_path)
    store = open_store("images")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    await store.put("a.png", b"1")
    assert (tmp_path / "images" / "a.png").exists()


async def test_the_url_of_a_local_image_opens_it(tmp_path):
    """The URL is an absolute file URI that decodes to the file's path."""
    store = open_store(str(tmp_path / "with space & 红"))
    await store.put("été +.png", b"1")
    parts = urlsplit(store.url("été +.png"))
    assert parts.scheme == "file"
    assert Path(unquote(parts.path)).read_bytes() == b"1"


async def test_a_missing_folder_does_not_look_like_lost_images(tmp_path):
    """With an unmounted disk, exists, get and delete are refused and create no folder."""
    store = open_store(str(tmp_path / "unmounted"))
    for method in (store.exists, store.get, store.delete):
        with pytest.raises(StoreRefused, match="is missing") as caught:
            await method("a.png")
        assert str(tmp_path / "unmounted") in caught.value.action
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_deleted_after_use_does_not_look_like_lost_images(tmp_path):
    """A folder that disappears between two calls is StoreRefused; the next put creates it again."""
    store = open_store(str(tmp_path / "images"))
    await store.put("a.png", b"1")
    shutil.rmtree(tmp_path / "images")
    for method in (store.exists, store.get, store.delete):
        with pytest.raises(StoreRefused, match="is missing"):
            await method("a.png")
    await store.put("b.png", b"2")
    with pytest.raises(ImageMissing):
        await store.get("a.png")


async def test_a_folder_that_cannot_be_created_is_refused(tmp_path):
    """A parent that is a regular file stops even root."""
    (tmp_path / "file").write_bytes(b"")
    store = open_store(str(tmp_path / "file" / "images"))
    with pytest.raises(StoreRefused, match=r"could not write a\.png") as caught:
        await store.put("a.png", b"1")
    assert "permissions" in caught.value.action


async def test_a_name_that_is_too_long_is_refused(tmp_path):
    """A name that the file system rejects is StoreRefused, in one line."""
    store = open_store(str(tmp_path))
    with pytest.raises(StoreRefused, match="too long") as caught:
        await store.put("x" * 300, b"1")
    assert "\n" not in caught.value.message


async def test_a_folder_instead_of_an_image_is_refused(tmp_path):
    """A failed put leaves no staged file."""
    (tmp_path / "a.png").mkdir()
    store = open_store(str(tmp_path))
    with pytest.raises(StoreRefused):
        await store.put("a.png", b"1")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
    assert await store.exists("a.png") is False


FULL_DISK = """
import asyncio, resource, sys
from stills.contract.errors import StoreRefused
from stills.store import open_store

async def main():
    store = open_store(sys.argv[1])
    await store.put("first.png", b"x" * 1000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    try:
        await store.put("second.png", b"x" * 1_000_000)
    except StoreRefused as error:
        print(error.message)
        print(error.action)

asyncio.run(main())
"""


def test_a_put_that_runs_out_of_space_leaves_nothing(tmp_path):
    """The put is refused, and no part of it remains."""
    done = run(FULL_DISK, str(tmp_path))
    assert "could not write second.png" in done.stdout, done.stderr
    assert "Free up space" in done.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["first.png"]


MANY_PUTS = """
import asyncio, sys
from stills.store import open_store

async def main():
    store = open_store(sys.argv[1])
    number = 0
    while True:
        await asyncio.gather(
            *(store.put(f"{number + one}.png", b"x" * 1_000_000) for one in range(8))
        )
        number += 8
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("batches", [1, 2, 3])
def test_a_killed_process_leaves_no_partial_image(tmp_path, batches):
    """After SIGKILL during many puts, every image under a final name is complete."""
    with subprocess.Popen(
        [sys.executable, "-c", MANY_PUTS, str(tmp_path)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        for _ in range(batches):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    final = [entry for entry in tmp_path.iterdir() if entry.suffix == ".png"]
    assert len(final) >= 8 * batches
    assert all(entry.read_bytes() == WHOLE for entry in final)


async def test_staged_files_of_a_killed_process_are_removed(tmp_path):
    """The first use removes old staged files, but no recent or other files."""
    for name in ("old.png#1", "young.png#1", "notes#1", "old.png"):
        (tmp_path / name).write_bytes(b"half")
        if name != "young.png#1":
            os.utime(tmp_path / name, (0, 0))
    await open_store(str(tmp_path)).put("new.png", b"1")
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {"young.png#1", "notes#1", "old.png", "new.png"}


LOCAL_LOOK = """
import asyncio, sys
import stills.imaging, stills.store

store = stills.store.open_store(sys.argv[1])
asyncio.run(store.put("b.png", asyncio.run(store.get("a.png"))))
print(asyncio.run(store.exists("b.png")), store.url("a.png"))
print(sorted({name.partition(".")[0] for name in sys.modules} & {"obstore", "pyvips", "dashscope"}))
"""


async def test_only_the_first_write_looks_for_staged_files(tmp_path):
    """The store may have millions of files."""
    store = open_store(str(tmp_path))
    await store.put("a.png", b"1")
    (tmp_path / "old.png#1").write_bytes(b"half")
    os.utime(tmp_path / "old.png#1", (0, 0))
    await store.put("b.png", b"1")
    assert (tmp_path / "old.png#1").exists()


async def test_a_staged_file_that_cannot_be_removed_prevents_no_write(tmp_path, monkeypatch):
    """It may belong to another user."""
    (tmp_path / "a.png#1").write_bytes(b"half")

    def refuse(*_):
        raise PermissionError(1, "not yours")

    with monkeypatch.context() as patched:
        patched.setattr("os.lstat", refuse)
        await open_store(str(tmp_path)).put("b.png", b"1")
    assert (tmp_path / "b.png").read_bytes() == b"1"


async def test_the_reason_why_a_file_cannot_be_created_is_not_hidden(tmp_path, monkeypatch):
    """By the cleaning up of a file that does not exist."""

    def fail(*_args, **_facts):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(stills.store.folder, "open", fail, raising=False)
    with pytest.raises(StoreRefused, match="Too many open files"):
        await open_store(str(tmp_path)).put("a.png", WHOLE)


async def test_writing_leaves_no_file_open(tmp_path):
    """Otherwise a service would run out of descriptors."""
    store = open_store(str(tmp_path))
    await store.put("0.png", b"1")
    before = len(list(Path("/dev/fd").iterdir()))
    for number in range(1, 9):
        await store.put(f"{number}.png", b"1", preceded_by=(f"facts/{number}.json", b"{}"))
    assert len(list(Path("/dev/fd").iterdir())) == before


async def test_a_folder_that_another_process_creates_first_is_used(tmp_path, monkeypatch):
    """Both processes found it missing at the same moment."""
    with monkeypatch.context() as patched:
        patched.setattr("os.path.isdir", lambda _: False)
        await open_store(str(tmp_path)).put("a.png", b"1")
    assert (tmp_path / "a.png").read_bytes() == b"1"


async def test_a_system_that_cannot_sync_folders_stores_images(tmp_path, monkeypatch):
    """Windows opens no folder."""
    store, open_file = open_store(str(tmp_path)), os.open

    def open_no_folder(path, *more):
        if os.path.isdir(path):  # noqa: PTH112 - Path needs the real os.name
            raise PermissionError(errno.EACCES, "Access is denied")
        return open_file(path, *more)

    with monkeypatch.context() as patched:
        patched.setattr("os.name", "nt")
        patched.setattr("os.open", open_no_folder)
        await store.put("facts/a.json", b"1")
    assert (tmp_path / "facts" / "a.json").read_bytes() == b"1"


async def test_an_existing_folder_needs_no_right_to_read_those_above(tmp_path, monkeypatch):
    """A user may often write below a folder that only root may list."""
    store, open_file = open_store(str(tmp_path)), os.open

    def open_nothing_above(path, *more):
        if os.fsencode(path) == os.fsencode(tmp_path.parent):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_file(path, *more)

    with monkeypatch.context() as patched:
        patched.setattr("os.open", open_nothing_above)
        await store.put("a.png", b"1")
    assert (tmp_path / "a.png").read_bytes() == b"1"


OPEN_A_CHINESE_FOLDER = "from stills.store import open_store; open_store('/' + chr(0x7EA2))"


def test_a_folder_that_the_locale_cannot_spell_is_rejected():
    """The error says what to set."""
    done = run(OPEN_A_CHINESE_FOLDER, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert "can't be spelled in this locale: use a UTF-8 locale" in done.stderr


def test_the_store_knows_its_own_files(tmp_path):
    """So that no output is written over a stored image."""
    store = open_store(str(tmp_path / "images"))
    assert store.name_of_file(tmp_path / "images" / "a" / "b.png") == "a/b.png"
    assert store.name_of_file(tmp_path / "images") is None
    assert store.name_of_file(tmp_path / "other" / "b.png") is None


def test_a_folder_loads_no_obstore(tmp_path):
    """Reading, writing, exists and url of a folder load neither obstore nor pyvips."""
    (tmp_path / "a.png").write_bytes(b"1")
    done = run(LOCAL_LOOK, str(tmp_path))
    assert done.stdout.splitlines() == [f"True {(tmp_path / 'a.png').as_uri()}", "[]"], done.stderr


def test_the_public_names_are_sorted():
    """The package exports what it lists."""
    assert sorted(stills.store.__all__) == stills.store.__all__
    assert all(hasattr(stills.store, one) for one in stills.store.__all__)
