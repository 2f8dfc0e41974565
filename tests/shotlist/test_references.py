"""The reference images that rows list."""

import json

import pytest

from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, ShotReference


@pytest.fixture
def read(tmp_path):
    """Read the references of a file's only shot, with paths relative to its folder."""

    def write_and_read(name, content):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        (shot,) = read_shots(path, Defaults(size="64*64"))
        folder = f"{tmp_path}/"
        return [(one.image.removeprefix(folder), one.label) for one in shot.references]

    return write_and_read


@pytest.mark.parametrize(
    "cell",
    [
        "a,b;c.png | https://h.org/b.png?x=1,2;3",
        "|a,b;c.png|https://h.org/b.png?x=1,2;3|",
        '["a,b;c.png", "https://h.org/b.png?x=1,2;3"]',
    ],
)
def test_a_cell_has_several_images(read, cell):
    """They are separated by `|`, because paths and URLs have commas and semicolons."""
    quoted = cell.replace('"', '""')
    assert read("a.csv", f'prompt,reference_images\nx,"{quoted}"\n') == [
        ("a,b;c.png", None),
        ("https://h.org/b.png?x=1,2;3", None),
    ]


def test_the_cell_of_a_single_reference_is_not_split(read):
    """A file name may contain any character."""
    assert read("a.csv", "prompt,reference_image\nx,a|b.png\n") == [("a|b.png", None)]


def test_a_data_url_may_have_line_breaks(read):
    """Encoders wrap base64, so only `|` separates images."""
    wrapped = "data:image/png;base64,AAAA\nBBBB"
    cell = f'prompt,reference_images\nx,"{wrapped} | a.png"\n'
    assert read("a.csv", cell) == [(wrapped, None), ("a.png", None)]


def test_a_list_may_have_labels(read):
    """Images with and without labels can be mixed; white space in labels is normalized."""
    images = ["a.png", {"image": "b.png", "label": " Anna,\n the keeper "}, {"image": "c.png"}]
    row = {"prompt": "x", "reference_image": "first.png", "reference_images": images}
    expected = [
        ("first.png", None),
        ("a.png", None),
        ("b.png", "Anna, the keeper"),
        ("c.png", None),
    ]
    assert read("a.jsonl", json.dumps(row)) == expected
    assert read("a.yaml", json.dumps([row])) == expected


def test_references_are_in_the_order_of_images_shots_and_cast(tmp_path):
    """A cast member may have a label of its own."""
    path = tmp_path / "a.yaml"
    path.write_text(
        "size: 64*64\n"
        "cast: {anna: {prompt: tall, label: the keeper}, boat: {image: boat.png}}\n"
        "shots:\n"
        "- {id: sea, prompt: x}\n"
        "- {id: a, prompt: x, cast: [boat, anna], reference_shot: sea, reference_images: b.png}\n"
    )
    *_, shot = read_shots(path)
    assert shot.references == (
        ShotReference(image=str(tmp_path / "b.png")),
        ShotReference(shot="sea"),
        ShotReference(image=str(tmp_path / "boat.png"), member="boat"),
        ShotReference(shot="cast-anna", member="anna", description="tall", label="the keeper"),
    )
