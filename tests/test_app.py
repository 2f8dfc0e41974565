"""Stills as its users create, call and close it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import stills as package
from stills import ImageRequest, Stills, generate
from stills.contract.errors import (
    AccessError,
    ConfigError,
    ImageMissing,
    InvalidReference,
    InvalidRequest,
    MissingKey,
    NotFound,
    OutputRefused,
    UnknownModel,
)
from stills.contract.generation import Stage

SOURCES = Path(package.__file__).resolve().parents[1]
KITE = ImageRequest(prompt="a red kite", size="512*512", seed=1)
NATIVE = ImageRequest(prompt="a red kite", size="1328*1328", seed=1)
HEAVY = (
    "dashscope", "fastapi", "sqlalchemy", "aiohttp", "pyvips", "obstore", "pydantic", "rich",
    "urllib.request", "http.client", "email.parser", "difflib",
)  # fmt: skip


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """A new user: no key, an empty home, no images."""
    return {"HOME": str(tmp_path / "home"), "OUTPUT_DIR": str(tmp_path / "out")}


@pytest.fixture
async def embedded(environment):
    """Stills with an embedded sandbox."""
    async with Stills.from_env(sandbox=True, environment=environment) as stills:
        yield stills


def file_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def run_script(
    script: str, environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_environment_is_enough_to_generate(embedded, tmp_path):
    """With an embedded sandbox nothing else is needed; the image is stored below OUTPUT_DIR."""
    stages: list[Stage] = []
    result = await embedded.generate(KITE, on_stage=stages.append)
    assert (result.width, result.height, result.seed, result.cached) == (512, 512, 1, False)
    assert result.provider == "sandbox"
    assert stages[-3:] == [Stage.SENT, Stage.ANSWERED, Stage.KEPT]
    path = file_of(result.image_url)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.is_relative_to(tmp_path / "out" / "ai-image-qwen-image" / "images")


async def test_explicit_ports_are_enough_to_generate(stills, sandbox):
    """Without any environment variable."""
    assert (await stills.generate(KITE)).cached is False
    assert len(sandbox.ledger.generations) == 1


async def test_the_model_of_the_call_wins_over_that_of_the_environment(environment, sandbox):
    """Both are exact ids, and an unknown one is rejected before anything is sent."""
    variables = {
        "STILLS_MODEL": "qwen-image-2.0",
        "DASHSCOPE_API_KEY": "sk-sandbox",
        "DASHSCOPE_HTTP_BASE_URL": sandbox.base_url,
    }
    async with Stills.from_env(environment=environment | variables) as stills:
        await stills.generate(KITE)
        await stills.generate(KITE, model="qwen-image-max")
        with pytest.raises(UnknownModel):
            await stills.generate(KITE, model="qwen-image")
    assert [send.model for send in sandbox.ledger.generations] == [
        "qwen-image-2.0",
        "qwen-image-max",
    ]


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({}, MissingKey),
        ({"DASHSCOPE_API_KEY": "sk-sandbox"}, AccessError),
        ({"DASHSCOPE_API_KEY": "sk-a", "DASHSCOPE_HTTP_BASE_URL": "nowhere"}, AccessError),
        ({"DASHSCOPE_API_KEY": "sk-a", "STILLS_DEADLINE_SECONDS": "soon"}, ConfigError),
        ({"DASHSCOPE_API_KEY": "sk-a", "STILLS_STORE": "memory:///"}, ConfigError),
    ],
)
def test_an_invalid_environment_is_rejected_at_once(environment, variables, error):
    """Before anything is opened; it never falls back to the sandbox."""
    with pytest.raises(error):
        Stills.from_env(environment=environment | variables)
    assert not Path(environment["OUTPUT_DIR"]).exists()


async def test_closing_is_safe_at_any_time(environment):
    """Unused, used, and closed already."""
    unused = Stills.from_env(sandbox=True, environment=environment)
    await unused.close()
    await unused.close()
    assert not Path(environment["OUTPUT_DIR"]).exists()
    async with Stills.from_env(sandbox=True, environment=environment) as used:
        await used.generate(KITE)
        await used.close()


async def test_a_use_after_the_close_says_that_it_is_closed(environment):
    """The error does not blame the disk or the service."""
    async with Stills.from_env(sandbox=True, environment=environment) as used:
        await used.generate(KITE)
    for use in (used.generate(KITE), used.images.list(), used.images.verify()):
        with pytest.raises(RuntimeError, match="is closed"):
            await use


def test_another_event_loop_is_rejected(environment):
    """A second asyncio.run, or another thread's loop; the first loop can still close it."""
    stills = Stills.from_env(sandbox=True, environment=environment)

    async def use() -> None:
        async with stills:
            await stills.generate(KITE)
            with pytest.raises(RuntimeError, match="belongs to the event loop"):
                await asyncio.to_thread(asyncio.run, stills.generate(KITE))

    asyncio.run(use())


def test_a_forked_child_is_rejected(environment, tmp_path):
    """Its copy has no running threads, so it would hang."""
    script = """
import asyncio, os, sys
from stills import ImageRequest, Stills

async def main():
    async with Stills.from_catalog() as stills:
        await stills.images.list()
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(stills.images.list())
            except RuntimeError as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(len(await stills.images.list()))

asyncio.run(main())
"""
    done = run_script(script, environment, tmp_path)
    assert "belongs to the event loop and the process" in done.stdout, done.stderr
    assert done.stdout.endswith("0\n")


@pytest.mark.parametrize("cap", [float("nan"), float("inf"), -1, "1", True])
async def test_an_invalid_cap_is_rejected(embedded, cap):
    """Before anything is sent, for one request and for many."""
    with pytest.raises(InvalidRequest, match="the maximum cost is"):
        await embedded.generate(KITE, max_cost_usd=cap)
    with pytest.raises(InvalidRequest, match="the maximum cost is"):
        await anext(embedded.generate_many([KITE], max_cost_usd=cap))


@pytest.mark.parametrize("model", [3, ["qwen-image-max"], b"qwen-image-max"])
async def test_a_model_that_is_not_a_string_is_rejected(embedded, model):
    """Like an id that is not in the table."""
    with pytest.raises(UnknownModel, match="is not in the model table"):
        await embedded.generate(KITE, model=model)


async def test_stored_images_can_be_read_without_a_key(embedded, environment):
    """List, show and URL work; generating does not."""
    result = await embedded.generate(KITE)
    async with Stills.from_catalog(environment=environment) as looking:
        (image,) = await looking.images.list()
        assert image.rendition.id == result.id
        assert looking.images.url(image) == result.image_url
        shown = await looking.images.show(result.id[:4])
        assert (shown.image, shown.image_url) == (image, result.image_url)
        assert [send.billing for send in shown.sends] == ["billed"]
        with pytest.raises(MissingKey):
            await looking.generate(KITE)


async def test_an_id_that_matches_none_or_several_images_is_rejected(embedded):
    """A full id wins over longer ones; otherwise the candidates are named."""
    small = await embedded.generate(KITE)
    large = await embedded.generate(ImageRequest(prompt="a red kite", size="1024*1024", seed=1))
    with pytest.raises(InvalidRequest, match="several") as caught:
        await embedded.images.show(small.id[:6])
    assert small.id in caught.value.message
    assert large.id in caught.value.message
    for prefix in ("zzz", "*", "\udcff"):
        with pytest.raises(NotFound, match="no image"):
            await embedded.images.show(prefix)


async def test_a_saved_image_replaces_the_file_atomically(embedded, tmp_path):
    """Folders are created, and no other file is left next to it."""
    result = await embedded.generate(KITE)
    target = tmp_path / "new folder" / "kite.png"
    for _ in range(2):
        await embedded.images.save(result.id, target)
        assert target.read_bytes() == file_of(result.image_url).read_bytes()
        assert list(target.parent.iterdir()) == [target]
        target.write_bytes(b"something longer than any image" * 100_000)


async def test_a_path_that_can_not_be_written_leaves_the_image_stored(embedded, tmp_path):
    """The error says where the image is; no partial file is left."""
    result = await embedded.generate(KITE)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    long_name = tmp_path / ("n" * 300 + ".png")
    for target in (tmp_path / "folder", tmp_path / "file" / "a.png", long_name):
        with pytest.raises(OutputRefused, match="can't be written") as caught:
            await embedded.images.save(result.id, target)
        assert result.image_url in caught.value.message
    assert list((tmp_path / "folder").iterdir()) == []
    assert (tmp_path / "file").read_text() == "in the way"
    assert not list(tmp_path.glob(".*.part"))


async def test_only_a_regular_file_is_replaced(embedded, tmp_path):
    """Devices, pipes and read-only files stay, and symbolic links too."""
    result = await embedded.generate(KITE)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "theirs.png").write_bytes(b"theirs")
    (tmp_path / "theirs.png").chmod(0o444)
    refused = [tmp_path / "pipe"]
    if os.geteuid() != 0:  # nothing is read-only to root
        refused.append(tmp_path / "theirs.png")
    for target in refused:
        with pytest.raises(OutputRefused):
            await embedded.images.save(result.id, target)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "theirs.png").read_bytes() == b"theirs"
    (tmp_path / "ours.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("ours.png")
    await embedded.images.save(result.id, tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "ours.png").read_bytes() == file_of(result.image_url).read_bytes()


async def test_no_file_of_ours_is_overwritten(embedded, environment, tmp_path):
    """A stored image or its sidecar, also through a link, the catalog, the spool."""
    result = await embedded.generate(KITE)
    other = await embedded.generate(ImageRequest(prompt="a cat", size="512*512", seed=1))
    catalog = tmp_path / "out" / "ai-image-qwen-image" / "stills.db"
    images = catalog.parent / "images"
    spooled = Path(environment["HOME"], ".local/state/stills/spool/0123456789ab.png")
    spooled.parent.mkdir(parents=True)
    spooled.write_bytes(b"paid for")
    (tmp_path / "link.png").symlink_to(file_of(other.image_url))
    own = {
        *images.rglob("*.*"),
        *(catalog.with_name(f"{catalog.name}{ending}") for ending in ("", "-wal", "-shm")),
        spooled,
        tmp_path / "link.png",
    }
    before = {path: path.read_bytes() for path in images.rglob("*.*")}
    assert len(own) == 12  # two natives, two renditions, two facts, the marker
    for path in own:
        with pytest.raises(OutputRefused) as caught:
            await embedded.images.check_target(path)
        assert "nothing was sent" in caught.value.action
        with pytest.raises(OutputRefused, match=r"can't be written \(it is ") as caught:
            await embedded.images.save(result.id, path)
        assert result.image_url in caught.value.message
    assert {path: path.read_bytes() for path in images.rglob("*.*")} == before
    assert spooled.read_bytes() == b"paid for"
    assert [image.generation.spec.prompt for image in await embedded.images.list()] == [
        "a cat",
        "a red kite",
    ]


async def test_other_files_in_the_store_s_folder_may_be_written(embedded):
    """The skill saves its copy there by default."""
    result = await embedded.generate(KITE)
    target = file_of(result.image_url).with_name("output.png")
    for _ in range(2):
        await embedded.images.check_target(target)
        await embedded.images.save(result.id, target)
    assert target.read_bytes() == file_of(result.image_url).read_bytes()


async def test_a_name_of_the_maximum_length_is_written(embedded, tmp_path):
    """The temporary file has a short name."""
    result = await embedded.generate(KITE)
    target = tmp_path / ("n" * 251 + ".png")
    await embedded.images.save(result.id, target)
    assert target.read_bytes() == file_of(result.image_url).read_bytes()


async def test_a_replaced_file_keeps_its_permissions(embedded, tmp_path):
    """A private file stays private."""
    result = await embedded.generate(KITE)
    target = tmp_path / "mine.png"
    target.write_bytes(b"old")
    target.chmod(0o600)
    await embedded.images.save(result.id, target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_bytes() == file_of(result.image_url).read_bytes()


@pytest.mark.parametrize("model", ["", "qwen"])
async def test_an_unknown_model_is_not_replaced_by_the_default(embedded, model):
    """Nor is an empty one: a script's variable may be unset."""
    with pytest.raises(UnknownModel):
        await embedded.generate(KITE, model=model)


async def test_an_object_that_is_not_a_request_gets_a_helpful_error(embedded):
    """Many would pass a dict."""
    with pytest.raises(InvalidRequest, match="is a dict") as refused:
        await embedded.generate({"prompt": "a kite", "size": "64*64"})
    assert "ImageRequest.from_mapping" in refused.value.action


async def test_saving_an_image_missing_from_the_store_is_an_error(embedded, tmp_path):
    """No empty file is left."""
    result = await embedded.generate(NATIVE)
    file_of(result.image_url).unlink()
    with pytest.raises(ImageMissing):
        await embedded.images.save(result.id, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


async def test_a_damaged_image_is_not_saved(embedded, tmp_path):
    """One changed byte is enough; the error names the file."""
    result = await embedded.generate(NATIVE)
    kept = file_of(result.image_url)
    change_a_byte(kept)
    with pytest.raises(ImageMissing, match=f"{kept.as_uri()} is damaged") as caught:
        await embedded.images.save(result.id, tmp_path / "a.png")
    assert caught.value.action.startswith("Restore a good copy, or use --fresh")
    assert not (tmp_path / "a.png").exists()


async def test_a_damaged_or_lost_rendition_is_rendered_again_to_be_saved(embedded, tmp_path):
    """It is free; the saved and the stored image are intact."""
    result = await embedded.generate(KITE)
    kept = file_of(result.image_url)
    whole = kept.read_bytes()
    for harm in (change_a_byte, Path.unlink):
        harm(kept)
        await embedded.images.save(result.id, tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes() == kept.read_bytes() == whole
    assert (await embedded.images.verify()).findings == ()


async def test_the_synchronous_call_is_rejected_inside_a_loop():
    """It would block the loop; the error says what to use there."""
    with pytest.raises(RuntimeError, match=r"use `Stills`|Stills\.from_env"):
        generate(KITE, sandbox=True)


def test_the_synchronous_call_works_in_a_plain_script(environment, tmp_path):
    """One import, one call."""
    script = (
        "from stills import ImageRequest, generate\n"
        "result = generate(ImageRequest(prompt='a kite', size='512*512'), sandbox=True)\n"
        "print(result.width, result.height)\n"
    )
    done = run_script(script, environment, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("512 512\n", "", 0)


ASK_AGAIN = f"""
import json, sys
import stills
after_import = sorted(set({HEAVY!r}) & set(sys.modules))
request = stills.ImageRequest(prompt="a red kite", size="512*512", seed=1)
result = stills.generate(request, sandbox=True)
after_answer = sorted(set({HEAVY!r}) & set(sys.modules))
print(json.dumps([after_import, result.cached, after_answer]))
"""


async def test_an_answer_from_the_catalog_loads_nothing_heavy(embedded, environment, tmp_path):
    """Neither the import of Stills nor a catalog answer loads an unneeded library."""
    await embedded.generate(KITE)
    done = await asyncio.to_thread(run_script, ASK_AGAIN, environment, tmp_path)
    assert json.loads(done.stdout) == [[], True, []], done.stderr


async def test_untrusted_references_are_neither_read_nor_fetched_locally(environment, tmp_path):
    """Paths and local addresses are rejected, by generate and find_statuses."""
    (tmp_path / "a.png").write_bytes(b"secret")
    given = [str(tmp_path / "a.png"), "https://localhost/a.png", "https://169.254.169.254/a.png"]
    requests = [ImageRequest(prompt="a kite", size="512*512", reference_image=one) for one in given]
    async with Stills.from_env(
        sandbox=True, guard_references=True, environment=environment
    ) as guarded:
        for standing in await guarded.find_statuses(requests):
            assert isinstance(standing.error, InvalidReference)
        for request in requests:
            with pytest.raises(InvalidReference):
                await guarded.generate(request)
        assert await guarded.images.list() == []


def test_the_public_names_are_those_of_all():
    """Sorted, and all exist."""
    assert list(package.__all__) == sorted(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)
