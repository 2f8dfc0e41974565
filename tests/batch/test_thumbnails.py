"""Thumbnails of a folder's images."""

from tests.support.batch_run import check_list, run_batch, write_list

from stills.batch.thumbnails import make_thumbnail, thumbnail_file
from stills.review.page.document import write_page

ROWS = [{"id": "one", "prompt": "one", "size": "1664*928"}, {"id": "two", "prompt": "two"}]


async def test_each_image_has_a_thumbnail_that_is_made_once(stills, tmp_path):
    """A second run leaves them as they are; another picture gets another one."""
    out = tmp_path / "out"
    entries = await run_batch(stills, check_list(stills, write_list(tmp_path, *ROWS)), out)
    files = {name: out / thumbnail_file(entry) for name, entry in entries.items()}
    times = {name: file.stat().st_mtime_ns for name, file in files.items()}
    assert all(file.read_bytes().startswith(b"\xff\xd8\xff") for file in files.values())
    assert files["one"].stat().st_size < (out / "images/one.png").stat().st_size
    changed = write_list(tmp_path, ROWS[0], ROWS[1] | {"prompt": "other"})
    entries = await run_batch(stills, check_list(stills, changed), out)
    assert files["one"].stat().st_mtime_ns == times["one"]
    assert (out / thumbnail_file(entries["two"])) != files["two"]
    assert f'src="./{thumbnail_file(entries["one"])}"' in write_page(out).read_text()


async def test_an_image_that_can_not_be_decoded_has_no_thumbnail(stills, tmp_path):
    """The page shows the image itself, whatever it is."""
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    assert await make_thumbnail(stills, tmp_path, "bad.png", "bad") is None
    assert await make_thumbnail(stills, tmp_path, "gone.png", "gone") is None
    assert [path.name for path in tmp_path.iterdir() if path.name == "thumbnails"] == []
