"""`stills generate` as a user runs it, on the embedded sandbox."""

import json
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest
import pyvips
from tests.support.progress_lines import without_progress

EXAMPLE = [
    "a cinematic portrait of a cyclist at dusk, soft rim light, shallow depth of field",
    "--negative-prompt",
    "blurry, low quality, watermark",
    "--size",
    "1024*1024",
    "--seed",
    "1234",
]


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text


def test_the_example_is_generated_and_then_answered_from_the_catalog(run):
    """Standard output is only the path; standard error says what it cost."""
    first = run("generate", *EXAMPLE, "--sandbox")
    assert first.returncode == 0, first.stderr
    path = Path(first.stdout.rstrip("\n"))
    image = pyvips.Image.new_from_file(str(path))
    assert (image.width, image.height) == (1024, 1024)
    assert path.name.startswith("sandbox-a-cinematic-portrait")
    assert "(simulated)" in first.stderr
    assert first.stderr.count("1328*1328") == first.stderr.count("retired") == 1

    second = run("generate", *EXAMPLE, "--sandbox")
    assert second.stdout == first.stdout
    assert "from the catalog, nothing billed" in second.stderr


def test_takes_print_one_path_each_and_number_the_output_files(run, tmp_path: Path):
    """More takes pay only for the new ones. What is true of several images is said once."""
    few = run("generate", *EXAMPLE, "--sandbox", "--takes", "2")
    more = run("generate", *EXAMPLE, "--sandbox", "--takes", "3", "--output", "kite.png", "--json")
    results = [json.loads(line) for line in more.stdout.splitlines()]
    assert [result["seed"] for result in results] == [1234, 1235, 1236]
    assert [result["cached"] for result in results] == [True, True, False]
    assert [Path(path).as_uri() for path in few.stdout.split()] == [
        result["image_url"] for result in results[:2]
    ]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "kite-1.png",
        "kite-2.png",
        "kite-3.png",
    ]
    notes = without_progress(few.stderr).splitlines()
    assert notes[2] == "Scaled down from 1328*1328."
    assert notes[3].startswith("qwen-image-max was retired")
    assert len(notes) == 4
    refused = run("generate", *EXAMPLE, "--sandbox", "--takes", "17")
    assert refused.returncode == 2
    assert "1 to 16" in one_line(refused.stderr)


def test_json_has_the_four_fields_first_and_then_the_rest(run):
    """They have exactly the contract's types."""
    answer = json.loads(run("generate", *EXAMPLE, "--sandbox", "--json").stdout)
    assert list(answer)[:4] == ["image_url", "width", "height", "seed"]
    assert [type(answer[name]) for name in list(answer)[:4]] == [str, int, int, int]
    assert answer["seed"] == 1234
    assert {"id", "cached", "provider", "model", "native_size", "cost_usd", "notes"} <= set(answer)


def test_the_providers_own_link_is_only_in_the_json_of_a_new_image(run, service, rows):
    """It opens the image at native size; it is a secret, so it is not stored."""
    made = run("generate", *EXAMPLE, "--json", variables=service.variables)
    link = json.loads(made.stdout)["provider_url"]
    with urllib.request.urlopen(link, timeout=20) as answer:
        image = pyvips.Image.new_from_buffer(answer.read(), "")
    assert (image.width, image.height) == (1328, 1328)
    assert link not in made.stderr
    again = run("generate", *EXAMPLE, "--json", variables=service.variables)
    assert json.loads(again.stdout)["provider_url"] is None
    assert rows("SELECT image_url FROM generations") == [(None,)]
    embedded = run("generate", *EXAMPLE, "--fresh", "--json", "--sandbox")
    assert json.loads(embedded.stdout)["provider_url"] is None, "its link died with the process"


@pytest.mark.parametrize("words", [["generate", *EXAMPLE, "--sandbox"], ["list"]])
def test_a_full_standard_output_is_an_error_and_a_closed_pipe_is_not(
    run, command, environment, tmp_path: Path, words: list[str]
):
    """A full disk is exit code 7 in one line; a closed pipe ends the process quietly."""
    run("generate", *EXAMPLE, "--sandbox")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*command, *words], check=False, env=environment, cwd=tmp_path, stdout=full,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert ended.returncode == 7
    assert "standard output can't be written" in ended.stderr.splitlines()[-1]
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*command, *words], check=False, env=environment, cwd=tmp_path, stdout=writing,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writing)
    assert ended.returncode == 141
    assert "Traceback" not in ended.stderr
    assert "unexpected" not in ended.stderr


def test_a_prompt_comes_from_standard_input(run):
    """`-` reads the prompt, and `--file -` the whole request."""
    piped = run("generate", "-", "--size", "64*64", "--sandbox", stdin="a red kite\n")
    whole = json.dumps({"prompt": "a red kite", "size": "64*64"})
    again = run("generate", "--file", "-", "--sandbox", stdin=whole)
    assert piped.stdout == again.stdout
    assert "from the catalog" in again.stderr


def test_style_and_fresh_make_new_images(run):
    """Another style makes another image, and so does `--fresh`."""
    paths = [
        run("generate", "a kite", "--size", "64*64", "--sandbox", *more).stdout
        for more in ([], ["--style", "ink"], ["--fresh"])
    ]
    assert len(set(paths)) == 3


def test_json_has_the_public_link_of_the_service_if_it_has_one(run):
    """It is the same in `generate`, `list` and `show`; without --json, the path is printed."""
    public = {"STILLS_PUBLIC_URL": "https://stills.example.com/film"}
    made = json.loads(run("generate", *EXAMPLE, "--sandbox", "--json", variables=public).stdout)
    assert made["image_url"] == f"https://stills.example.com/film/images/{made['id']}.png"
    for command in (["list"], ["show", made["id"]]):
        shown = json.loads(run(*command, "--json", variables=public).stdout)
        assert shown["image_url"] == made["image_url"]
    path = run("generate", *EXAMPLE, "--sandbox", variables=public).stdout.rstrip("\n")
    assert Path(path).is_file()


def test_list_and_show_mark_sandbox_images(run):
    """They name the provider."""
    made = json.loads(run("generate", *EXAMPLE, "--sandbox", "--json").stdout)
    listed = run("list").stdout
    assert made["id"] in listed
    assert " sandbox " in one_line(listed)
    shown = run("show", made["id"][:6])
    assert "provider:" in shown.stdout
    assert "answered, billed" in shown.stdout
    assert json.loads(run("show", made["id"], "--json").stdout)["image_url"] == made["image_url"]


def test_the_image_is_copied_to_the_output_path(run, tmp_path):
    """Missing folders are created, and an older file is replaced."""
    target = tmp_path / "shots" / "one.png"
    for _ in range(2):
        assert run("generate", *EXAMPLE, "--sandbox", "--output", str(target)).returncode == 0
    kept = Path(run("generate", *EXAMPLE, "--sandbox").stdout.rstrip("\n"))
    assert target.read_bytes() == kept.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["one.png"]


def test_an_output_path_that_is_another_stored_image_is_refused_before_anything_is_sent(run):
    """The stored image is unchanged, and the ledger has no second call."""
    kept = Path(run("generate", *EXAMPLE, "--sandbox").stdout.rstrip("\n"))
    before = kept.read_bytes()
    other = ["generate", "a cat", "--size", "512*512", "--sandbox"]
    refused = run(*other, "--output", str(kept))
    assert refused.returncode == 7
    assert "is a stored image" in one_line(refused.stderr)
    assert kept.read_bytes() == before
    assert "[billed]" not in refused.stderr
    assert "billed 0.075 USD" in run(*other).stderr


def test_an_output_path_that_names_a_folder_is_refused_before_anything_is_sent(run, tmp_path):
    """A trailing slash means a folder, whether it exists or not, and no file is created."""
    for folder in ("not-there/", "there/", ""):
        (tmp_path / "there").mkdir(exist_ok=True)
        refused = run("generate", *EXAMPLE, "--sandbox", "--output", folder)
        assert refused.returncode == 2
        assert "is a folder" in one_line(refused.stderr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a kite", "--size", "0*0"], "out of range"),
        (["a kite", "--size", "99999*1"], "out of range"),
        (["a kite", "--size", "abc"], "not W*H"),
        (["a kite"], "size is missing"),
        (["", "--size", "64*64"], "prompt is empty"),
        (["fox " * 801, "--size", "64*64"], "801 tokens, 1 over"),
        (["a kite", "--size", "64*64", "--seed", "-1"], "seed is out of range"),
        (
            ["a kite", "--size", "64*64", "--model", "qwen-image-max-2025-12-30"],
            "Use an exact id: qwen-image-max (retired), ",
        ),
        (
            ["a kite", "--size", "64*64", "--model", "qwen_image_2.1_pro"],
            "Did you mean qwen-image-2.1-pro?",
        ),
        (["--request", '{"prompt": "a", "size": "64*64", "n": 2}'], "unknown field 'n'"),
        (["--request", "not json"], "not JSON"),
        (["--file", "/no/such/file"], "can't be read"),
        (
            ["a kite", "--size=64*64", "--reference-image=missing.png", "--model=qwen-image-2.0"],
            "no such file",
        ),
        (
            ["a kite", "--size", "64*64", "--reference-image", "https://example.com/a.png"],
            "text only",
        ),
    ],
)
def test_a_bad_request_is_one_line_and_exit_code_2(run, arguments: list[str], words: str):
    """It names the field, the problem and the fix; nothing is sent."""
    refused = run("generate", *arguments, "--sandbox")
    assert refused.returncode == 2
    assert words in one_line(refused.stderr)
    assert refused.stdout == ""


def test_a_text_file_as_reference_is_refused(run, tmp_path):
    """References are checked before anything else happens."""
    (tmp_path / "notes.txt").write_text("not an image")
    refused = run(
        "generate", "a kite", "--size", "64*64", "--sandbox", "--reference-image", "notes.txt"
    )
    assert refused.returncode == 2
    assert "text" in one_line(refused.stderr)


def test_a_reference_is_sent_to_a_model_that_accepts_one(run, tmp_path):
    """The model is chosen by its exact id."""
    pyvips.Image.black(32, 32, bands=3).copy(interpretation="srgb").pngsave(
        str(tmp_path / "portrait.png")
    )
    made = run(
        *["generate", "a kite", "--size", "64*64", "--sandbox", "--json"],
        *["--reference-image", "portrait.png", "--model", "qwen-image-2.0"],
    )
    assert json.loads(made.stdout)["model"] == "qwen-image-2.0"


def test_references_are_repeated_options_in_order(run, tmp_path):
    """`show` lists them in the order given; another order is another image."""
    for name, width in (("anna.png", 32), ("tom.png", 33)):
        pyvips.Image.black(width, 32, bands=3).write_to_file(str(tmp_path / name))

    def generate(*names: str) -> str:
        options = [word for name in names for word in ("--reference-image", name)]
        made = run(
            "generate", "two kites", "--size", "512*512", "--sandbox", "--json",
            "--model", "qwen-image-2.0", *options,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        return str(json.loads(made.stdout)["id"])

    first, swapped = generate("anna.png", "tom.png"), generate("tom.png", "anna.png")
    assert generate("anna.png", "tom.png") == first != swapped
    shown = json.loads(run("show", swapped, "--json").stdout)
    assert [one["shown"] for one in shown["references"]] == ["tom.png", "anna.png"]
    lines = run("show", swapped).stdout.splitlines()
    named = [line for line in lines if line.startswith("reference ")]
    assert [line.split(",")[0].split() for line in named] == [
        ["reference", "1:", "tom.png"],
        ["reference", "2:", "anna.png"],
    ]


def test_a_missing_key_is_an_error_that_names_every_solution(run):
    """Stills never falls back to the sandbox silently."""
    refused = run("generate", *EXAMPLE)
    assert refused.returncode == 3
    line = one_line(refused.stderr)
    assert "DASHSCOPE_API_KEY" in line
    assert "~/.alibabacloud/credentials" in line
    assert "--sandbox" in line
