"""The stored images of one Stills: find, read and save them."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import pyvips

from stills import ImageRequest, Stills
from stills.contract.errors import (
    ImageMissing,
    InvalidRequest,
    MissingKey,
    NotFound,
    OutputRefused,
)
from stills.contract.image_kinds import HEAD_BYTES, ImageKind, find_kind

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=1)
NATIVE = ImageRequest(prompt="a red kite", size="1328*1328", seed=1)


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
    for prefix in ("zzzz", "****", "\udcff" * 4):
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


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kite.jpg", ImageKind.JPEG),
        ("kite.JPEG", ImageKind.JPEG),
        ("kite.webp", ImageKind.WEBP),
        ("kite.png", ImageKind.PNG),
        ("kite", ImageKind.PNG),
        ("kite.v2", ImageKind.PNG),
    ],
)
async def test_a_saved_image_has_the_format_of_its_name(embedded, tmp_path, name, kind):
    """All other names get the stored PNG."""
    result = await embedded.generate(KITE)
    await embedded.images.check_target(tmp_path / name)
    await embedded.images.save(result.id, tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert find_kind(data[:HEAD_BYTES]) is kind
    image = pyvips.Image.new_from_buffer(data, "")
    assert (image.width, image.height) == (result.width, result.height)


async def test_a_format_that_is_not_written_is_refused_before_anything_is_sent(embedded, tmp_path):
    """A file whose name promises it would not open in a program that believes the name."""
    with pytest.raises(OutputRefused, match="PNG, JPEG and WebP") as caught:
        await embedded.images.check_target(tmp_path / "kite.gif")
    assert "nothing was sent" in caught.value.action


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
    assert len(own) == 12  # two generations, two renditions, two sidecars, the marker
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
