"""Hand-overs, opened again with other libraries."""

import csv
import sys
import zipfile
from fractions import Fraction
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import opentimelineio as otio
import pytest
from pypdf import PdfReader
from tests.support.boards import decide, entry_of, find, put, take_of, write_board
from tests.support.finished_shots import failed, shot, write_png

from stills.batch.manifest_entry import ManifestEntry
from stills.cli.main import main
from stills.contract.errors import ContentRefused, InvalidRequest, OutputRefused, ToolMissing
from stills.handover.export import check_output, choose_output, export
from stills.handover.shot_rows import list_rows
from stills.imaging.lettering import draw_text
from stills.imaging.thumbnail import thumbnail_jpeg
from stills.review import marking
from stills.review.film import read_film
from stills.review.records import OwnPicture

PROMPT = "静かな海, a quiet sea"
DIALOGUE = "ANNA: Łódź?\nBEN: 是"
COMMENT = "too dark;\nhold it longer"
OWN = OwnPicture("own/3A-0a1b.png", "0a1b", 96, 64, "mine.jpg")
PICTURES = SimpleNamespace(scale_down=thumbnail_jpeg, draw_text=draw_text)
IDS = ["1A", "3A", "it's 4"]


@pytest.fixture
def folder(tmp_path):
    """Four shots: one with a pick and a comment, one rejected, one own picture, one undecided."""
    first = shot("1A", PROMPT, duration_seconds=2.5, dialogue=DIALOGUE)
    rejected, own = shot("2A"), shot("3A", "=1+1", duration_seconds=1.0)
    board = write_board(
        tmp_path / "film-stills",
        entry_of(first),
        entry_of(take_of(first, 2)),
        entry_of(rejected),
        entry_of(own),
        entry_of(shot("it's 4", "a kite & <kites>")),
        ManifestEntry.of(failed("5A", ContentRefused())),
    )
    write_png(board / OWN.file)
    put(board, "1A", marking.comment(find(board, "1A", "1")[0], COMMENT))
    decide(board, "1A", marking.pick, find(board, "1A", "2")[1])
    decide(board, "2A", marking.reject, find(board, "2A", "1")[1])
    put(board, "3A", marking.use_own(find(board, "3A", "1")[0], OWN))
    return board


@pytest.fixture
def film(folder):
    return read_film(folder, seconds_per_shot=3.0, fps=24)


def list_texts(pdf):
    """Return the text of each page; pypdf reads the first byte of two-byte codes as NUL."""
    return [page.extract_text().replace("\0", "") for page in PdfReader(pdf).pages]


def test_otio_has_ids_durations_picks_and_comments_in_order(film, folder, tmp_path):
    """OpenTimelineIO reads the file; rejected shots and shots without an image are not in it."""
    output = tmp_path / "film.otio"
    export(film, output, "otio")
    timeline = otio.adapters.read_from_file(str(output))
    assert timeline.name == "film"
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == IDS
    assert [clip.duration().to_frames() for clip in clips] == [60, 24, 72]
    assert [clip.metadata["stills"]["pick"] for clip in clips] == ["picked", "own picture", ""]
    assert clips[0].metadata["stills"]["prompt"] == PROMPT
    assert [clip.metadata["stills"]["dialogue"] for clip in clips] == [
        "ANNA: Łódź? BEN: 是",
        "",
        "",
    ]
    assert [marker.name for marker in clips[0].markers] == ["too dark; hold it longer"]
    assert [clip.media_reference.target_url for clip in clips] == [
        (folder / name).as_uri() for name in ("images/1A-2.png", OWN.file, "images/it-s-4.png")
    ]


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
def test_fcpxml_is_read_again(film, tmp_path):
    """Final Cut Pro's XML has the clips, a marker per comment, and the size of the images."""
    output = tmp_path / "film.fcpxml"
    export(film, output, "fcpxml")
    timeline = otio.adapters.read_from_file(str(output))
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == ["1A", "3A", "it_s 4"]
    assert [clip.duration().to_frames() for clip in clips] == [60, 24, 72]
    assert [marker.name for marker in clips[0].markers] == ["too dark; hold it longer"]
    root = ET.fromstring(output.read_bytes())
    assert root.find(".//format").attrib["width"] == "96"
    offsets = [Fraction(clip.get("offset")[:-1]) for clip in root.iter("clip")]
    assert offsets == [0, Fraction(5, 2), Fraction(7, 2)]
    notes = [note.text for note in root.iter("note")]
    assert notes == [
        f"picked; {PROMPT}; “ANNA: Łódź? BEN: 是”",
        "own picture; =1+1",
        "a kite & <kites>",
    ]


def test_edl_is_read_again(film, tmp_path):
    """An EDL has one event per shot; a comment with a line break stays on one line."""
    output = tmp_path / "film.edl"
    export(film, output, "edl")
    timeline = otio.adapters.read_from_file(str(output), rate=24)
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == IDS
    assert [clip.duration().to_frames() for clip in clips] == [60, 24, 72]
    text = output.read_text()
    assert (
        "* PICKED\n* DIALOGUE: ANNA: Łódź? BEN: 是\n* COMMENT: too dark; hold it longer\n" in text
    )
    assert "00:00:02:12 00:00:03:12\n* FROM CLIP NAME:  3A\n" in text


@pytest.mark.parametrize("form", ["edl", "fcpxml"])
def test_a_frame_rate_that_a_format_lacks_is_refused(folder, tmp_path, form):
    """The error names the rates; nothing is written."""
    with pytest.raises(InvalidRequest, match="no frame rate of 23"):
        export(read_film(folder, seconds_per_shot=1, fps=23), tmp_path / "film", form)
    assert not (tmp_path / "film").exists()


def test_frames_are_numbered_copies(film, folder, tmp_path):
    """The order of the names is the order of the film; the batch's images are not linked."""
    output = tmp_path / "frames"
    export(film, output, "frames")
    names = ["0001_1A.png", "0002_3A.png", "0003_it-s-4.png"]
    assert sorted(path.name for path in output.iterdir()) == names
    assert (output / names[1]).read_bytes() == (folder / OWN.file).read_bytes()
    assert not (output / names[0]).samefile(folder / "images/1A-2.png")


def test_csv_has_a_row_per_shot(film, tmp_path):
    """Durations are in seconds, and a prompt that looks like a formula is text."""
    output = tmp_path / "film.csv"
    export(film, output, "csv")
    with output.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == IDS
    assert [row["duration"] for row in rows] == ["2.5", "1.0", "3.0"]
    assert [row["start_frame"] for row in rows] == ["0", "60", "84"]
    assert [row["pick"] for row in rows] == ["picked", "own picture", ""]
    assert [row["take"] for row in rows] == ["2", "", "1"]
    assert [row["file"] for row in rows] == ["images/1A-2.png", OWN.file, "images/it-s-4.png"]
    assert (rows[0]["prompt"], rows[0]["comments"]) == (PROMPT, COMMENT)
    assert [row["dialogue"] for row in rows] == [DIALOGUE, "", ""]
    assert rows[1]["prompt"] == "'=1+1"


def test_prompts_are_those_that_were_written(tmp_path):
    """What was added about references says nothing to an editor, also for an own picture."""
    text = "Reference image 1 shows Anna. Reference image 2 shows Bo."
    one, two = (shot(shot_id, f"a walk. {text}", reference_text=text) for shot_id in ("1A", "2A"))
    board = write_board(tmp_path / "film", entry_of(one), entry_of(two))
    write_png(board / OWN.file)
    put(board, "2A", marking.use_own(find(board, "2A", "1")[0], OWN))
    rows = list_rows(read_film(board, seconds_per_shot=3.0, fps=24))
    assert [row.prompt for row in rows] == ["a walk.", "a walk."]


def test_zip_has_images_table_and_manifest(film, folder, tmp_path):
    """The table names the files of the archive."""
    output = tmp_path / "film.zip"
    export(film, output, "zip")
    with zipfile.ZipFile(output) as archive:
        assert archive.testzip() is None
        lines = archive.read("shots.csv").decode("utf-8-sig").splitlines()
        files = [row["file"] for row in csv.DictReader(lines)]
        assert {"shots.csv", "manifest.jsonl", *files[:1]} <= {*archive.namelist()}
        assert len(archive.namelist()) == 5
        assert archive.read("manifest.jsonl") == (folder / "manifest.jsonl").read_bytes()
        first = archive.read("images/0001_1A.png")
    assert first == (folder / "images/1A-2.png").read_bytes()


def test_pdf_has_six_frames_per_page(tmp_path):
    """Ids, durations and prompts in any script can be searched; images are small."""
    shots = [shot(f"S{number}", PROMPT, duration_seconds=2.5) for number in range(8)]
    board = write_board(tmp_path / "film", *map(entry_of, shots))
    film = read_film(board, seconds_per_shot=3.0, fps=24)
    output = tmp_path / "film.pdf"
    export(film, output, "pdf", PICTURES)
    pages = list_texts(output)
    assert [page.count("2.50 s") for page in pages] == [6, 2]
    assert PROMPT in pages[0]
    assert all(f"S{number}" in pages[number // 6] for number in range(8))
    assert "00:00:20:00" in pages[0]
    assert output.stat().st_size < 100_000


def test_words_below_a_frame_share_its_lines(tmp_path):
    """Dialogue comes first, and leaves room for the prompt and the comments."""
    board = write_board(
        tmp_path / "other", entry_of(shot("1A", "walk " * 80, dialogue="speak " * 80))
    )
    put(board, "1A", marking.comment(find(board, "1A", "1")[0], "wait " * 80))
    film = read_film(board, seconds_per_shot=3.0, fps=24)
    export(film, tmp_path / "film.pdf", "pdf", PICTURES)
    [text] = list_texts(tmp_path / "film.pdf")
    assert text.count("…") == 3
    assert text.index("speak") < text.index("walk") < text.index("wait")


def test_words_that_the_font_lacks_are_drawn(tmp_path):
    """They are pictures in the storyboard; an unknown id and title too."""
    said = ("ŁUKASZ: tak!", "مرحبا", "😀", "是 да ñ", None)
    entries = [entry_of(shot(f"{i}A", dialogue=one)) for i, one in enumerate(said)]
    board = write_board(tmp_path / "Łódź", *entries, entry_of(shot("ש1")))
    film = read_film(board, seconds_per_shot=3.0, fps=24)
    export(film, tmp_path / "film.pdf", "pdf", PICTURES)
    [page] = PdfReader(tmp_path / "film.pdf").pages
    assert len(page.images) == 3 + 2 + 1  # the frames are equal
    assert "是 да ñ" in page.extract_text().replace("\0", "")


def test_a_long_prompt_is_cut_in_the_storyboard(tmp_path):
    """The text stays within its frame, and shows that there is more."""
    board = write_board(tmp_path / "film", entry_of(shot("1A", "word " * 150)))
    film = read_film(board, seconds_per_shot=3.0, fps=24)
    export(film, tmp_path / "film.pdf", "pdf", PICTURES)
    [text] = list_texts(tmp_path / "film.pdf")
    assert "…" in text
    assert text.count("word") < 150


@pytest.mark.parametrize("form", ["otio", "csv", "frames"])
def test_what_is_there_is_only_replaced_by_force(film, tmp_path, form):
    """The second export is refused, with force it is made."""
    output = tmp_path / "out"
    export(film, output, form)
    with pytest.raises(OutputRefused, match="exists"):
        check_output(output, form, force=False)
    check_output(output, form, force=True)
    export(film, output, form)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_force_never_removes_a_folder_of_other_files(tmp_path):
    """A typing error in -o does not cost the user a folder."""
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/thesis.txt").write_text("years of work")
    with pytest.raises(OutputRefused, match=r"thesis\.txt"):
        check_output(tmp_path / "frames", "frames", force=True)


def test_an_export_that_fails_leaves_nothing(film, folder, tmp_path):
    """The previous folder stays if an image can't be read."""
    output = tmp_path / "frames"
    export(film, output, "frames")
    (folder / OWN.file).unlink()
    with pytest.raises(OutputRefused):
        export(film, output, "frames")
    with pytest.raises(OutputRefused):
        export(film, tmp_path / "film.zip", "zip")
    assert len(list(output.iterdir())) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film-stills", "frames"]


@pytest.mark.parametrize(
    ("form", "library"),
    [
        ("otio", "opentimelineio"),
        ("fcpxml", "otio_fcpx_xml_adapter"),
        ("edl", "otio_cmx3600_adapter"),
        ("pdf", "fpdf"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(film, tmp_path, monkeypatch, form, library):
    """The one line says what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ToolMissing, match=library) as raised:
        export(film, tmp_path / "film", form, PICTURES if form == "pdf" else None)
    assert raised.value.action == "Run `pip install 'stills[handover]'`."


def test_the_command_names_what_it_wrote_and_skipped(folder, tmp_path, monkeypatch, capsys):
    """Without -o, the file is in the current folder, with the name of the film."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLS_CATALOG", str(tmp_path / "catalog.db"))
    monkeypatch.setenv("STILLS_STORE", str(tmp_path / "store"))
    assert main(["export", str(folder), "--to", "pdf"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "film.pdf\n"
    assert printed.err.splitlines() == [
        "3 shots, 6.5 s, 2 picked",
        "  skipped, because they have no image: 1 (5A)",
        "  skipped, because all their images are rejected: 1 (2A)",
    ]
    assert len(PdfReader(tmp_path / "film.pdf").pages) == 1
    assert main(["export", str(folder), "--to", "pdf"]) != 0
    assert "Use --force to replace it" in capsys.readouterr().err


def test_frames_have_a_folder_of_their_own(film):
    """The default name ends in -frames."""
    assert str(choose_output(film, "frames")) == "film-frames"
    assert str(choose_output(film, "otio")) == "film.otio"
