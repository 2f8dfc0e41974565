"""The skill's script, run as an agent runs it: in a process of its own, from any folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import pyvips

import stills

SCRIPT = (
    Path(__file__).parents[2]
    / "skills/ai/image/alicloud-ai-image-qwen-image/scripts/generate_image.py"
)
KITE = json.dumps({"prompt": "a red kite", "size": "128*64", "seed": 7})
DEFAULT_OUTPUT = Path("ai-image-qwen-image", "images", "output.png")


@pytest.fixture
def run(tmp_path):
    """Run the script in an empty folder, as a user with no key."""

    def run_script(*arguments, python=(sys.executable, "-W", "error"), **variables):
        kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(stills.__file__).parents[1])}
        return subprocess.run(
            [*python, str(SCRIPT), *arguments],
            cwd=tmp_path,
            env=kept | {"HOME": str(tmp_path / "home")} | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_script


def size(path):
    image = pyvips.Image.new_from_file(str(path))
    return image.width, image.height


def is_one_line(text):
    return text.count("\n") == 1 and "Traceback" not in text


def test_the_response_is_the_four_fields_of_the_contract(run, tmp_path):
    """Standard output is one JSON object, of these fields and types and nothing else."""
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


def test_the_path_alone_is_printed_and_lies_in_the_output_folder_by_default(run, tmp_path):
    """`$OUTPUT_DIR` says where; what the image is and cost goes to standard error."""
    folder = tmp_path / "elsewhere"
    done = run("--request", KITE, "--sandbox", OUTPUT_DIR=str(folder))
    assert done.stdout == f"{folder / DEFAULT_OUTPUT}\n"
    assert size(folder / DEFAULT_OUTPUT) == (128, 64)
    assert "(simulated)" in done.stderr


def test_a_request_comes_from_a_file_and_is_paid_once(run, tmp_path):
    """Paths count from the folder of the caller; the last image's copy leaves the kept ones be."""
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


def test_the_folder_of_the_output_is_made(run, tmp_path):
    """An agent names the path it wants and does nothing before."""
    done = run("--request", KITE, "--sandbox", "--output", "shots/day one/001.png")
    assert done.stdout == f"{tmp_path}/shots/day one/001.png\n", done.stderr
    assert size(tmp_path / "shots" / "day one" / "001.png") == (128, 64)


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ("--request", '{"prompt": "a red', "is not JSON"),
        ("--request", '["a red kite"]', "is not a JSON object"),
        ("--request", '{"prompt": "a red kite", "size": "64*64", "n": 2}', "unknown field 'n'"),
        ("--request", '{"prompt": "a red kite", "size": "1K"}', "'1K' is not W*H"),
        ("--file", "missing.json", "missing.json can't be read"),
    ],
)
def test_a_bad_request_is_one_line_and_exit_code_2(run, source, given, said):
    """The line names what is wrong; nothing is sent, so no key is asked for."""
    done = run(source, given)
    assert done.returncode == 2
    assert said in done.stderr
    assert is_one_line(done.stderr)
    assert done.stdout == ""


def test_a_reference_image_is_refused_by_the_default_model(run, tmp_path):
    """It is never dropped in silence: the line names a model that takes one."""
    pyvips.Image.black(64, 64).write_to_file(str(tmp_path / "portrait.png"))
    request = json.dumps(json.loads(KITE) | {"reference_image": "portrait.png"})
    refused = run("--request", request, "--sandbox")
    assert refused.returncode == 2
    assert "qwen-image-2.0" in refused.stderr
    taken = run("--request", request, "--sandbox", STILLS_MODEL="qwen-image-2.0")
    assert taken.returncode == 0, taken.stderr


def test_without_a_key_it_names_the_ways_to_go_on(run, tmp_path):
    """It never plays on the sandbox unasked."""
    done = run("--request", KITE)
    assert done.returncode == 3
    assert "DASHSCOPE_API_KEY" in done.stderr
    assert "--sandbox" in done.stderr
    assert is_one_line(done.stderr)
    assert not list(tmp_path.rglob("*.png"))


def test_another_kept_image_is_no_output(run):
    """It was paid for; and nothing is paid for what can't be put there."""
    response = json.loads(run("--request", KITE, "--sandbox", "--print-response").stdout)
    kept = Path(unquote(urlsplit(response["image_url"]).path))
    before = kept.read_bytes()
    other = json.dumps({"prompt": "a blue kite", "size": "128*64"})
    done = run("--request", other, "--sandbox", "--output", str(kept))
    assert done.returncode == 7
    assert is_one_line(done.stderr)
    assert kept.read_bytes() == before
    assert len(list(kept.parent.glob("*blue*"))) == 0


def test_a_standard_output_that_is_full_is_a_storage_error(run, tmp_path):
    """The line says that the image is kept; 1 would say that nobody foresaw it."""
    shell = ("/bin/sh", "-c", 'exec "$0" "$@" >/dev/full', sys.executable)
    done = run("--request", KITE, "--sandbox", python=shell, PYTHONUNBUFFERED="1")
    assert done.returncode == 7
    assert "standard output can't be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert size(tmp_path / "output" / DEFAULT_OUTPUT) == (128, 64)


def test_a_path_that_the_encoding_lacks_is_shown_escaped(run, tmp_path):
    """What was paid for is copied there and told all the same."""
    output = ("--output", "風箏.png")
    done = run("--request", KITE, "--sandbox", *output, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/\\u98a8\\u7b8f.png\n"
    assert size(tmp_path / "風箏.png") == (128, 64)


def test_without_the_package_it_says_how_to_install_it(run):
    """The error is one line if Python can't import `stills`."""
    done = run("--request", KITE, python=(sys.executable, "-I", "-S"))
    assert done.returncode == 127
    assert "pip install ." in done.stderr
    assert is_one_line(done.stderr)


def test_it_has_the_options_of_the_contract_and_no_more(run):
    """What `stills generate` has beyond these stays there."""
    done = run("--help")
    assert set(re.findall(r"--[a-z][a-z-]*", done.stdout)) == {
        "--help",
        "--request",
        "--file",
        "--output",
        "--print-response",
        "--sandbox",
    }
