"""The skill's script, run like an agent runs it: as a process, from any folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import pyvips
from tests.support.progress_lines import without_progress

import stills
from stills.contract.image_address import read_image_address

SCRIPT = (
    Path(__file__).parents[2]
    / "skills/ai/image/alicloud-ai-image-qwen-image/scripts/generate_image.py"
)
KITE = json.dumps({"prompt": "a red kite", "size": "128*64", "seed": 7})
DEFAULT_OUTPUT = Path("ai-image-qwen-image", "images", "output.png")


@pytest.fixture
def run(tmp_path):
    """Run the script in an empty folder, as a user without a key; leave out progress lines."""

    def run_script(*arguments, python=(sys.executable, "-W", "error"), script=SCRIPT, **variables):
        kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(stills.__file__).parents[1])}
        done = subprocess.run(
            [*python, str(script), *arguments],
            cwd=tmp_path,
            env=kept | {"HOME": str(tmp_path / "home")} | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        done.stderr = without_progress(done.stderr)
        return done

    return run_script


def size(path):
    image = pyvips.Image.new_from_file(str(path))
    return image.width, image.height


def is_one_line(text):
    return text.count("\n") == 1 and "Traceback" not in text


def test_the_response_is_the_four_fields_of_the_contract(run, tmp_path):
    """Standard output is one JSON object with exactly these fields and types."""
    done = run("--request", KITE, "--sandbox", "--print-response", "--output", "kite.png")
    assert done.returncode == 0, done.stderr
    response = json.loads(done.stdout)
    assert {name: type(value) for name, value in response.items()} == {
        "image_url": str,
        "width": int,
        "height": int,
        "seed": int,
    }
    assert (response["width"], response["height"], response["seed"]) == (128, 64, 7)
    kept = Path(unquote(urlsplit(response["image_url"]).path))
    assert size(kept) == (128, 64)
    assert (tmp_path / "kite.png").read_bytes() == kept.read_bytes()


def test_with_a_public_url_the_next_step_can_open_the_image_elsewhere(run, tmp_path):
    """Image_url is then the link of `stills serve`; the path is still a path."""
    public = {"STILLS_PUBLIC_URL": "https://stills.example.com/"}
    done = run("--request", KITE, "--sandbox", "--print-response", **public)
    link = json.loads(done.stdout)["image_url"]
    assert link.startswith("https://stills.example.com/images/")
    assert read_image_address(link, "https://stills.example.com") in done.stderr
    again = run("--request", KITE, "--sandbox", **public)
    assert again.stdout == f"{tmp_path / 'output' / DEFAULT_OUTPUT}\n"


def test_only_the_path_is_printed_by_default_in_the_output_folder(run, tmp_path):
    """`$OUTPUT_DIR` is that folder; the summary goes to standard error."""
    folder = tmp_path / "elsewhere"
    done = run("--request", KITE, "--sandbox", OUTPUT_DIR=str(folder))
    assert done.stdout == f"{folder / DEFAULT_OUTPUT}\n"
    assert size(folder / DEFAULT_OUTPUT) == (128, 64)
    assert "(simulated)" in done.stderr


def test_a_request_is_read_from_a_file_and_paid_once(run, tmp_path):
    """Paths are relative to the current folder; overwriting the copy keeps the stored images."""
    (tmp_path / "kite.json").write_text(KITE, encoding="utf-8")
    output = tmp_path / "output" / DEFAULT_OUTPUT
    first = run("--file", "kite.json", "--sandbox")
    assert first.stdout == f"{output}\n", first.stderr
    copied = output.read_bytes()
    run("--request", KITE.replace("red", "blue"), "--sandbox")
    assert output.read_bytes() != copied
    again = run("--file", "kite.json", "--sandbox")
    assert "from the catalog, nothing billed" in again.stderr
    assert output.read_bytes() == copied


def test_the_folder_of_the_output_is_created(run, tmp_path):
    """An agent does not have to create it first."""
    done = run("--request", KITE, "--sandbox", "--output", "shots/day one/001.png")
    assert done.stdout == f"{tmp_path}/shots/day one/001.png\n", done.stderr
    assert size(tmp_path / "shots" / "day one" / "001.png") == (128, 64)


def test_the_name_of_the_output_chooses_its_format(run, tmp_path):
    """A JPEG is of the same size; a name in .gif is refused before anything is sent."""
    done = run("--request", KITE, "--sandbox", "--output", "kite.jpg")
    assert done.stdout == f"{tmp_path}/kite.jpg\n", done.stderr
    assert (tmp_path / "kite.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert size(tmp_path / "kite.jpg") == (128, 64)
    refused = run("--request", KITE, "--sandbox", "--output", "kite.gif")
    assert refused.returncode == 7
    assert is_one_line(refused.stderr)


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ("--request", '{"prompt": "a red', "is not JSON"),
        ("--request", '["a red kite"]', "is not a JSON object"),
        ("--request", '{"prompt": "a red kite", "size": "3K"}', "'3K' is not W*H"),
        ("--request", '{"prompt": "", "size": "64*64"}', "prompt is missing"),
        ("--file", "missing.json", "missing.json can't be read"),
    ],
)
def test_a_bad_request_is_one_line_and_exit_code_2(run, source, given, said):
    """The line names the problem; nothing is sent, so no key is needed."""
    done = run(source, given)
    assert done.returncode == 2
    assert said in done.stderr
    assert is_one_line(done.stderr)
    assert done.stdout == ""


def test_an_unknown_field_is_named_and_ignored(run):
    """The image is made without it; standard output has only the result."""
    request = json.dumps(json.loads(KITE) | {"n": 2, "watermark": "my\nname"})
    done = run("--request", request, "--sandbox", "--print-response")
    assert done.returncode == 0, done.stderr
    assert "the field 'n' is unknown, so it is ignored" in done.stderr
    assert "'watermark'" in done.stderr
    assert "name\n" not in done.stderr
    assert set(json.loads(done.stdout)) == {"image_url", "width", "height", "seed"}


def test_a_request_may_be_written_loosely_and_name_its_model(run):
    """It is the same request as the strict one, so it is free after that."""
    strict = run("--request", KITE, "--sandbox", STILLS_MODEL="qwen-image-2.0")
    loose = {"seed": "7", "style": "", "reference_image": None, "model": "qwen-image-2.0"}
    done = run("--request", json.dumps(json.loads(KITE) | loose), "--sandbox")
    assert "qwen-image-2.0" in done.stderr
    assert "nothing billed" in done.stderr, done.stderr
    assert done.stdout == strict.stdout
    square = run("--request", '{"prompt": "a red kite"}', "--sandbox", "--print-response")
    assert json.loads(square.stdout)["width"] == json.loads(square.stdout)["height"] == 1024


def test_a_model_that_is_not_an_exact_id_is_rejected(run):
    """Stills never replaces a model with another."""
    done = run("--request", '{"prompt": "a red kite", "model": "qwen-image"}', "--sandbox")
    assert done.returncode == 2
    assert "'qwen-image'" in done.stderr
    assert is_one_line(done.stderr)


def test_the_default_model_rejects_a_reference_image(run, tmp_path):
    """It is never silently dropped: the line names a model that accepts one."""
    pyvips.Image.black(64, 64).write_to_file(str(tmp_path / "portrait.png"))
    request = json.dumps(json.loads(KITE) | {"reference_image": "portrait.png"})
    refused = run("--request", request, "--sandbox")
    assert refused.returncode == 2
    assert "qwen-image-2.0" in refused.stderr
    taken = run("--request", request, "--sandbox", STILLS_MODEL="qwen-image-2.0")
    assert taken.returncode == 0, taken.stderr


def test_without_a_key_the_error_names_the_options(run, tmp_path):
    """It never switches to the sandbox by itself."""
    done = run("--request", KITE)
    assert done.returncode == 3
    assert "DASHSCOPE_API_KEY" in done.stderr
    assert "--sandbox" in done.stderr
    assert is_one_line(done.stderr)
    assert not list(tmp_path.rglob("*.png"))


def test_a_stored_image_is_not_a_valid_output(run):
    """It is not overwritten, and nothing is billed for the request."""
    response = json.loads(run("--request", KITE, "--sandbox", "--print-response").stdout)
    kept = Path(unquote(urlsplit(response["image_url"]).path))
    before = kept.read_bytes()
    other = json.dumps({"prompt": "a blue kite", "size": "128*64"})
    done = run("--request", other, "--sandbox", "--output", str(kept))
    assert done.returncode == 7
    assert is_one_line(done.stderr)
    assert kept.read_bytes() == before
    assert len(list(kept.parent.glob("*blue*"))) == 0


def test_a_full_standard_output_is_a_storage_error(run, tmp_path):
    """The exit code is 7, not that of an unexpected error, and the image is stored."""
    shell = ("/bin/sh", "-c", 'exec "$0" "$@" >/dev/full', sys.executable)
    done = run("--request", KITE, "--sandbox", python=shell, PYTHONUNBUFFERED="1")
    assert done.returncode == 7
    assert "standard output can't be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert size(tmp_path / "output" / DEFAULT_OUTPUT) == (128, 64)


def test_characters_of_a_path_that_the_encoding_lacks_are_escaped(run, tmp_path):
    """The image is still copied to that path."""
    output = ("--output", "風箏.png")
    done = run("--request", KITE, "--sandbox", *output, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/\\u98a8\\u7b8f.png\n"
    assert size(tmp_path / "風箏.png") == (128, 64)


@pytest.mark.parametrize(
    ("repository", "source"),
    [
        ("", "PATH_OF_A_CLONE_OF_STILLS"),
        ("https://a.example/b.git", "'stills @ git+https://a.exam"),
    ],
)
def test_without_the_package_the_error_is_the_command_that_installs_it(
    run, tmp_path, repository: str, source: str
):
    """It installs the clone that the script is in, or else the repository, with this Python."""
    isolated = (sys.executable, "-I", "-S")
    done = run("--request", KITE, python=isolated)
    assert done.returncode == 127
    assert is_one_line(done.stderr)
    assert done.stderr.endswith(
        f"Install it: {sys.executable} -m pip install {SCRIPT.parents[5]}\n"
    )
    copied = tmp_path / "skill" / "scripts" / SCRIPT.name
    copied.parent.mkdir(parents=True)
    text = SCRIPT.read_text(encoding="utf-8")
    copied.write_text(re.sub('REPOSITORY = ".*"', f'REPOSITORY = "{repository}"', text))
    done = run("--request", KITE, python=isolated, script=copied)
    assert done.returncode == 127
    assert is_one_line(done.stderr)
    assert f"{sys.executable} -m pip install {source}" in done.stderr


def test_fresh_pays_for_a_new_image(run):
    """The same request returns the stored image otherwise."""
    request = json.dumps({"prompt": "a red kite", "size": "128*64"})
    first, again, new = [
        run("--request", request, "--sandbox", *more).stderr for more in ([], [], ["--fresh"])
    ]
    assert "nothing billed" in again
    assert "billed 0.075 USD" in first
    assert "billed 0.075 USD" in new
    assert first.partition(":")[0] == again.partition(":")[0] != new.partition(":")[0]


def test_it_has_few_options(run):
    """Those of the contract, and to pay for a new image; `stills generate` has more."""
    done = run("--help")
    assert set(re.findall(r"--[a-z][a-z-]*", done.stdout)) == {
        "--help",
        "--request",
        "--file",
        "--output",
        "--print-response",
        "--fresh",
        "--sandbox",
    }
