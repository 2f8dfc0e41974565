"""Parsing, error lines and exit codes of the command line."""

import argparse
import io
import json
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest
from tests.support.image_results import image_result

from stills.cli.commands.generate import read_request, readable_url, summary
from stills.cli.main import build_parser, main
from stills.contract import retirement
from stills.contract.errors import InvalidRequest
from stills.contract.models import MODELS
from stills.contract.retirement import retirement_notes

RESULT = image_result(image_url="file:///tmp/a%20kite.png", provider="dashscope")


def pipe(monkeypatch, written: bytes) -> None:
    """Make it standard input, in a locale that only has ASCII."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(written), encoding="ascii"))


def command_names(parser: argparse.ArgumentParser) -> list[str]:
    actions = parser._actions  # noqa: SLF001 - argparse has no other list
    (commands,) = [one for one in actions if one.nargs == argparse.PARSER]
    return list(commands.choices)


@pytest.mark.parametrize("name", command_names(build_parser()))
def test_the_parser_of_one_command_has_that_command(name):
    """Describing only the command that is run saves a tenth of the start-up time."""
    parser = build_parser(name)
    assert command_names(parser) == [name]
    with pytest.raises(SystemExit, match="0"):
        parser.parse_args([name, "--help"])


def test_debug_shows_the_traceback_before_the_error(monkeypatch, tmp_path, capfd):
    """The last line and the exit code are the same as without it."""
    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path))
    wrong = ["generate", "a kite", "--size", "abc", "--sandbox"]
    assert main(wrong) == 2
    plain = capfd.readouterr().err
    assert main([*wrong, "--debug"]) == 2
    printed = capfd.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith(plain)


def test_a_message_is_one_line_and_cannot_control_the_terminal(capfd):
    """File names and arguments can be hostile; unprintable characters become spaces."""
    assert main(["generate", "--file", "no\n\x1b[31mfile"]) == 2
    with pytest.raises(SystemExit):
        main(["spend", "a\n\x1b[31mword"])
    printed = capfd.readouterr().err
    assert "no  [31mfile can't be read" in printed
    assert "a  [31mword" in printed
    assert printed.count("\n") == 2
    assert "\x1b" not in printed


@pytest.mark.parametrize(
    "arguments",
    [["generate", "a", "--seed", "abc"], ["generate", "a", "--sized", "1"], ["lost"], []],
)
def test_an_invalid_command_line_is_one_line(arguments: list[str], capfd):
    """It says what is wrong, and where to find help."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capfd.readouterr().err
    assert printed.count("\n") == 1
    assert printed.endswith("--help`.\n")
    assert ". See `stills" in printed


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (
            ["generate", "a", "--siez", "1K"],
            "unrecognized arguments: --siez 1K (perhaps --size). See `stills generate --help`.",
        ),
        (["genrate"], "there is no command 'genrate' (perhaps `stills generate`). See `stills"),
        (["jobs", "lsit"], "'lsit' (perhaps `stills jobs list`). See `stills jobs --help`."),
        (["qqq"], "there is no command 'qqq'. See `stills --help`."),
        (["jobs", "list", "--qqq"], "arguments: --qqq. See `stills jobs list --help`."),
    ],
)
def test_a_mistyped_word_gets_a_similar_one_and_its_commands_help(
    arguments: list[str], printed: str, capfd
):
    """Nobody has to search for the word in a list of all of them."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert printed in capfd.readouterr().err


def test_a_prompt_without_quotes_is_recognised(capfd):
    """The error shows the command with quotes, wherever the options are."""
    for words in (["a", "red", "fox"], ["a", "--size", "64*64", "red", "fox"]):
        with pytest.raises(SystemExit) as ended:
            main(["generate", *words])
        assert ended.value.code == 2
        assert 'quote it: stills generate "a red fox"' in capfd.readouterr().err


def test_help_shows_the_help_of_a_command(capfd):
    """`stills help keys add` is `stills keys add --help`, and `stills help` lists all commands."""
    for words in ([], ["rm"], ["keys", "add"]):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--help"])
        assert ended.value.code == 0
        expected = capfd.readouterr().out
        with pytest.raises(SystemExit) as ended:
            main(["help", *words])
        assert (ended.value.code, capfd.readouterr().out) == (0, expected)
    with pytest.raises(SystemExit) as ended:
        main(["help", "kyes"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--aspect-ratio", "16:9"], "1360*768"),
        (["--aspect-ratio", "16:9", "--size", "2K"], "2736*1536"),
        (["--aspect-ratio", "16:9", "--size", "auto"], "1360*768"),
        (["--aspect-ratio", "16:9", "--size", "1920*1080"], "1920*1080"),
    ],
)
def test_an_aspect_ratio_is_read_as_in_a_shot_list(options: list[str], size: str):
    """Alone it has about the pixels of 1K; a size of pixels must match it."""
    parsed = build_parser().parse_args(["generate", "a kite", *options])
    assert read_request(parsed).size == size


@pytest.mark.parametrize(
    "options",
    [
        ["a", "--aspect-ratio", "wide"],
        ["a", "--aspect-ratio", "16:9", "--size", "512*512"],
        ["--aspect-ratio", "16:9", "--request", "{}"],
    ],
)
def test_an_aspect_ratio_that_means_nothing_is_rejected(options: list[str]):
    """It is never ignored."""
    parsed = build_parser().parse_args(["generate", *options])
    with pytest.raises(InvalidRequest) as rejected:
        read_request(parsed)
    assert rejected.value.field == "aspect_ratio"


@pytest.mark.parametrize("closed", ["0<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_not_an_error(closed, tmp_path):
    """Output is dropped, and never written to a file that got the number of the stream."""
    python = shlex.quote(sys.executable)
    program = f"{python} -m stills generate 'a kite' --size 64*64 --sandbox {closed}"
    done = subprocess.run(
        ["/bin/sh", "-c", program],
        cwd=tmp_path,
        env={"STILLS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("limit", ["0", "-1", "99999999999999999999"])
def test_a_limit_out_of_range_is_rejected(limit: str, capfd):
    """Zero, negative, and larger than the database can handle."""
    assert main(["list", "--limit", limit]) == 2
    assert capfd.readouterr().err.startswith("stills: --limit is out of range. Use 1 to ")


def test_the_version_is_on_standard_output(capfd):
    """A script can read it there."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capfd.readouterr().out.startswith("stills ")


@pytest.mark.parametrize(
    "option",
    [
        "--latency=-1", "--latency=inf", "--rate=0", "--rate=nan", "--link-life=0",
        "--retired=qwen", "--port=99999", "--host=192.0.2.1", "--model-like=qwen-image-4.0",
        "--model-like=a=b", "--base-path=/../x", "--base-path=/a b",
        "--model-like=qwen-image-max=qwen-image-2.0",
    ],
)  # fmt: skip
def test_an_invalid_option_of_the_sandbox_is_rejected(option: str, capfd):
    """The error is one line, before the sandbox starts."""
    assert main(["sandbox", option]) == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate"],
        ["generate", "a kite", "--request", "{}"],
        ["generate", "--request", "{}", "--file", "f"],
    ],
)
def test_a_request_is_specified_exactly_once(arguments: list[str]):
    """As a prompt, JSON or a file."""
    with pytest.raises(InvalidRequest, match="exactly once"):
        read_request(build_parser().parse_args(arguments))


def test_options_become_a_request():
    """Each option sets the field of the same name."""
    arguments = ["generate", "a kite", "--size", "640x480", "--negative-prompt", "blurry"]
    arguments += ["--style", "ink", "--seed", "7"]
    arguments += ["--reference-image", "https://example.com/a.png"]
    request = read_request(build_parser().parse_args(arguments))
    assert (request.prompt, request.size, request.seed) == ("a kite", "640*480", 7)
    assert (request.negative_prompt, request.style) == ("blurry", "ink")
    assert request.reference_image == "https://example.com/a.png"


def test_a_request_as_json_cannot_be_combined_with_options():
    """An option would be silently ignored."""
    whole = json.dumps({"prompt": "a kite", "size": "640*480"})
    assert read_request(build_parser().parse_args(["generate", "--request", whole])).seed is None
    with pytest.raises(InvalidRequest, match="--negative-prompt"):
        read_request(
            build_parser().parse_args(["generate", "--request", whole, "--negative-prompt", "x"])
        )


def test_a_request_is_read_from_a_file_or_standard_input(tmp_path, monkeypatch):
    """With `--file F`, `--file -` or the prompt `-`."""
    whole = {"prompt": "a kite", "size": "640*480"}
    path = tmp_path / "request.json"
    path.write_text(json.dumps(whole))
    assert read_request(build_parser().parse_args(["generate", "--file", str(path)])).prompt

    pipe(monkeypatch, json.dumps(whole).encode())
    assert read_request(build_parser().parse_args(["generate", "--file", "-"])).prompt == "a kite"
    pipe(monkeypatch, b"a kite\n")
    options = build_parser().parse_args(["generate", "-", "--size", "640*480"])
    assert read_request(options).prompt == "a kite"
    with pytest.raises(InvalidRequest, match="can't be read"):
        read_request(build_parser().parse_args(["generate", "--file", str(tmp_path / "none")]))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_standard_input_is_decoded_like_a_file(tmp_path, monkeypatch, encoding):
    """By its byte order mark, which is not part of the prompt, whatever the locale."""
    whole = json.dumps({"prompt": "a kite é", "size": "64*64"}, ensure_ascii=False)
    (tmp_path / "request.json").write_bytes(whole.encode(encoding))
    of_file = build_parser().parse_args(["generate", "--file", str(tmp_path / "request.json")])
    piped = build_parser().parse_args(["generate", "--file", "-"])
    pipe(monkeypatch, whole.encode(encoding))
    assert read_request(piped) == read_request(of_file)
    pipe(monkeypatch, "a kite é\n".encode(encoding))
    prompt = build_parser().parse_args(["generate", "-", "--size", "64*64"])
    assert read_request(prompt) == read_request(of_file)
    pipe(monkeypatch, b"a kite \xff")
    with pytest.raises(InvalidRequest, match="standard input is not valid UTF-8"):
        read_request(prompt)


def test_a_file_url_is_shown_as_a_path():
    """Other URLs are not changed."""
    assert readable_url(RESULT.image_url) == "/tmp/a kite.png"
    assert readable_url("s3://bucket/a.png") == "s3://bucket/a.png"


def test_the_summary_has_the_image_and_its_cost():
    """Billed, simulated, from the catalog, or of unknown price."""
    assert "512*512, seed" in summary(RESULT)
    assert "billed 0.075 USD" in summary(RESULT)
    simulated = replace(RESULT, provider="sandbox")
    assert "(simulated)" in summary(simulated)
    cached = replace(RESULT, cached=True)
    assert "from the catalog, nothing billed" in summary(cached)
    unknown = replace(RESULT, cost_usd=None)
    assert "price of qwen-image-max unknown" in summary(unknown)


def test_a_retirement_that_was_announced_is_not_in_the_summary(monkeypatch):
    """A call that costs money is warned of before; the result has the same note."""
    monkeypatch.setattr(retirement, "_shown", set())
    model = MODELS["qwen-image-max"]
    (note,) = retirement_notes(model)
    result = replace(RESULT, notes=(*RESULT.notes, note))
    assert note in summary(result)
    shown: list[str] = []
    for _ in range(2):
        retirement.show_retirement(model, shown.append)
    assert shown == [note]
    assert note not in summary(result)
