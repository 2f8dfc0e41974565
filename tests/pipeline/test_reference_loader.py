"""Reference images: all their forms, and which are rejected."""

import base64
import hashlib
from pathlib import Path
from urllib.parse import quote

import pytest
import pyvips
from tests.support.reference_loader import make_loader

from stills.contract.errors import InvalidReference
from stills.contract.size import Size
from stills.pipeline.reference import Reference


async def load(given: str | bytes, downloader=None, *, is_trusted: bool = False) -> Reference:
    """Load a reference; with a downloader it comes from a stranger, unless `is_trusted`."""
    loader = make_loader(downloader, trusts_references=downloader is None or is_trusted)
    return await loader.load(given)


@pytest.fixture(scope="module")
def png() -> bytes:
    return pyvips.Image.black(32, 32, bands=3).copy(interpretation="srgb").pngsave_buffer()


async def test_path_data_url_and_bytes_of_one_image_are_one_reference(tmp_path: Path, png: bytes):
    """All are sent as a data URL, and hashed by the image's bytes."""
    path = tmp_path / "portrait of Anna.png"
    path.write_bytes(png)
    encoded = base64.b64encode(png).decode()
    given = [png, str(path), path.as_uri(), f"data:image/png;base64,{encoded}"]
    references = [await load(each) for each in given]
    assert {each.digest for each in references} == {hashlib.sha256(png).hexdigest()}
    assert {each.url for each in references} == {f"data:image/png;base64,{encoded}"}


async def test_the_media_type_is_detected_from_the_bytes(png: bytes):
    """A PNG that is declared as JPEG is sent as PNG."""
    encoded = base64.b64encode(png).decode()
    reference = await load(f"data:image/jpeg;base64,{encoded}")
    assert reference.url.startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("http://example.com/a.png", "only https"),
        ("file:///etc/hostname", "text"),
        ("file:///no/such/file.png", "no such file"),
        ("file://nas/portrait.png", "only https"),
        ("oss://bucket/key.png", "only https"),
        ("https://", "not a valid URL"),
        ("https://exa mple.com/a.png", "not a valid URL"),
        ("data:image/png;base64", "without a comma"),
        ("data:image/png,abc", "is text"),
        ("data:image/png;base64,!!!!", "invalid base64"),
        ("/no/such/file.png", "no such file"),
        (b"just text", "text"),
        (b"", "is empty|nothing|no image|not"),
    ],
)
async def test_anything_else_is_a_clear_error(given: str | bytes, message: str):
    """It names the field."""
    with pytest.raises(InvalidReference, match=message) as caught:
        await load(given)
    assert caught.value.field == "reference_image"


async def test_a_text_file_is_rejected_and_not_quoted(tmp_path: Path):
    """A secret file must not appear in an error message or reach the service."""
    path = tmp_path / "id_rsa"
    path.write_text("-----BEGIN PRIVATE KEY----- swordfish")
    with pytest.raises(InvalidReference) as caught:
        await load(str(path))
    assert "swordfish" not in str(caught.value)


async def test_a_file_of_50_mb_is_rejected_without_reading_it(tmp_path: Path):
    """The limit is 40 MB, and the message has the file's size."""
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    with pytest.raises(InvalidReference, match=r"50\.0 MB, over the limit of 40 MB"):
        await load(str(path))
    with pytest.raises(InvalidReference, match=r"50\.0 MB"):
        await load("data:image/png;base64," + "A" * (50 * 1024 * 1024 * 4 // 3))


async def test_a_folder_is_rejected(tmp_path: Path):
    """The error says that it is not a file."""
    with pytest.raises(InvalidReference, match="not a regular file"):
        await load(str(tmp_path))


class FakeDownloader:
    """A downloader whose internet is a dictionary."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = pages
        self.asked: list[tuple[str, int]] = []

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        self.asked.append((url, max_bytes))
        return self.pages[url.rpartition("/")[2].partition("?")[0].removesuffix(".png")]


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_a_url_is_downloaded_and_sent_as_bytes(png: bytes, is_trusted: bool):
    """What is sent is what was hashed, and a signed link, a secret, is not shown."""
    shelf = FakeDownloader(portrait=png)
    url = "https://u:pw@example.com:8443/portrait.png?Signature=secret#part"
    reference = await load(url, shelf, is_trusted=is_trusted)
    assert shelf.asked == [(url, 40 * 1024 * 1024)]
    assert reference.url == "data:image/png;base64," + base64.b64encode(png).decode()
    assert reference.digest == hashlib.sha256(png).hexdigest()
    assert reference.shown == "https://example.com:8443/portrait.png"


async def test_untrusted_bytes_and_data_urls_are_accepted(png: bytes):
    """They are in the request, so nothing is downloaded."""
    shelf = FakeDownloader()
    data_url = "data:image/png;base64," + base64.b64encode(png).decode()
    for given in (png, data_url):
        assert (await load(given, shelf)).url == data_url
    assert shelf.asked == []


async def test_an_untrusted_path_is_rejected_whether_it_exists_or_not(tmp_path: Path, png: bytes):
    """The error is the same for every path, and quotes none."""
    there = tmp_path / "portrait.png"
    there.write_bytes(png)
    said = set()
    for given in (str(there), str(tmp_path / "none.png"), str(tmp_path), "~/a.png", "file:/a.png"):
        with pytest.raises(InvalidReference) as caught:
            await load(given, FakeDownloader())
        said.add((caught.value.message, caught.value.action))
    ((message, action),) = said
    assert "neither an https URL nor a data URL" in message
    assert "path" not in action


async def test_an_untrusted_url_must_lead_to_an_image():
    """Other content is neither quoted nor sent."""
    with pytest.raises(InvalidReference, match="is text") as caught:
        await load("https://example.com/a.png", FakeDownloader(a=b"swordfish"))
    assert "swordfish" not in str(caught.value)


async def test_untrusted_urls_of_other_schemes_are_rejected():
    """Plain http too, without a request."""
    shelf = FakeDownloader()
    for given in ("http://example.com/a.png", "file:///etc/hostname", "oss://bucket/key.png"):
        with pytest.raises(InvalidReference, match="only https"):
            await load(given, shelf)
    assert shelf.asked == []


async def test_what_was_changed_is_noted_and_the_original_is_the_key(tmp_path: Path):
    """A photo keeps its key whatever is made of it to be sent, and its size for the request."""
    photo = pyvips.Image.black(4000, 1000, bands=3).copy(interpretation="srgb").jpegsave_buffer()
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo)
    reference = await load(str(path))
    assert reference.digest == hashlib.sha256(photo).hexdigest()
    assert reference.size == Size(4000, 1000)
    assert reference.notes == (
        "The reference image (photo.jpg) was scaled down from 4000*1000 to 3072*768 to be sent.",
    )


def wrap(text: str, end: str) -> str:
    return end.join(text[at : at + 76] for at in range(0, len(text), 76)) + end


@pytest.mark.parametrize(
    "write",
    [
        lambda plain: f"data:image/png;base64,{plain}",
        lambda plain: f"DATA:IMAGE/PNG;BASE64,{plain}",
        lambda plain: f"data:;base64,{plain}",
        lambda plain: f"data:base64,{plain}",
        lambda plain: f"image/png;base64,{plain}",
        lambda plain: f"data:image/png;charset=utf-8;base64,{plain}",
        lambda plain: f"data:image/png; name=a.png; base64,{plain}",
        lambda plain: f"data:image/png;base64,{wrap(plain, chr(10))}",
        lambda plain: f"data:image/png;base64,{wrap(plain, chr(13) + chr(10))}",
        lambda plain: f"data:image/png;base64, {wrap(plain, ' ')}",
        lambda plain: f"data:image/png;base64,{plain.rstrip('=')}",
        lambda plain: f"data:image/png;base64,{plain.rstrip('=')}===",
        lambda plain: "data:image/png;base64," + plain.translate(str.maketrans("+/", "-_")),
        lambda plain: f"data:image/png;base64,{quote(plain, safe='')}",
        lambda plain: f"data:image/png,{quote(base64.b64decode(plain))}",
        lambda plain: f"\n data:image/png;base64,{plain}",
        lambda plain: plain,
        lambda plain: plain.rstrip("="),
        lambda plain: plain.translate(str.maketrans("+/", "-_")),
        lambda plain: wrap(plain, chr(10)),
    ],
    ids=range(20),
)
@pytest.mark.parametrize("is_trusted", [True, False])
async def test_base64_is_read_as_encoders_write_it(write, is_trusted: bool):
    """Every spelling is the same image with the same key."""
    image = picture(101)
    assert base64.b64encode(image).endswith(b"=")
    given = write(base64.b64encode(image).decode())
    reference = await load(given, None if is_trusted else FakeDownloader())
    assert reference.digest == hashlib.sha256(image).hexdigest()
    assert reference.shown in ("data URL", "base64")


def picture(width: int) -> bytes:
    """Make a PNG whose base64 needs all 64 characters, and padding."""
    image = pyvips.Image.gaussnoise(width, 32, seed=width).cast("uchar")
    data = image.pngsave_buffer()
    return data if len(data) % 3 else picture(width + 1)


@pytest.mark.parametrize("form", ["{}", "{}~", "data:image/png;base64,{}!", "%{}"])
@pytest.mark.parametrize("kind", [b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"swordfish"])
@pytest.mark.parametrize("size", [90, 5000])
async def test_base64_is_never_quoted(form: str, kind: bytes, size: int):
    """It may be a private picture; a spoilt one is an error without it."""
    text = base64.b64encode(kind + bytes(range(size % 90, size % 90 + 60)) * (size // 60)).decode()
    with pytest.raises(InvalidReference) as caught:
        await load(form.format(text))
    assert text[8:24] not in f"{caught.value.message} {caught.value.action}"


async def test_a_file_whose_name_could_be_base64_is_read(tmp_path: Path, monkeypatch):
    """A path that exists is a path."""
    name = base64.b64encode(picture(64)[:60]).decode().replace("/", "A")
    (tmp_path / name).write_bytes(picture(64))
    monkeypatch.chdir(tmp_path)
    assert (await load(name)).digest == hashlib.sha256(picture(64)).hexdigest()


async def test_a_path_that_starts_like_base64_is_a_path():
    """A JPEG's base64 starts with /9j/, which could be a folder."""
    with pytest.raises(InvalidReference, match="'/9j/photos/anna': no such file"):
        await load("/9j/photos/anna")
