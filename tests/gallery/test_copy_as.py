"""What the gallery offers to copy, run by real shells."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from stills.contract.generation import (
    Generation,
    GenerationSpec,
    Image,
    ReferenceRecord,
    Rendition,
    Stage,
)
from stills.contract.size import Size
from stills.gallery.copy_as import copy_request, quote

HOSTILE = (
    'it\'s "quoted" $(touch pwned) `touch pwned` \\ ! # ~ *',
    "-",
    "--sandbox",
    "a\nb\r\n; touch pwned",
    "\x1b[201~\ntouch pwned\n",
    "\x07\x7f\x9b31m café 风筝 🪁",
    "left \u202e thgir \u2066",
    "'; touch pwned; '",
    "%s %n $'\\x41' \\n",
    "@/etc/passwd",
)
SPEC = GenerationSpec(
    key="k",
    seeded_key="s",
    provider="sandbox",
    model="qwen-image-2.0",
    prompt="a kite",
    style=None,
    text="a kite",
    negative_prompt=None,
    native_size=Size(1024, 1024),
    seed=7,
    references=(),
    price_usd=None,
)
RECORDER = """#!{python}
import json, sys
print(json.dumps([sys.argv[1:], "" if sys.stdin.isatty() else sys.stdin.read()]))
"""


def image(**facts: object) -> Image:
    generation = Generation("0123456789ab", replace(SPEC, **facts), Stage.KEPT, 0.0)
    return Image(Rendition("0123456789ab", Size(640, 360), "", 0, "a.png"), generation)


def copied(**facts: object):
    return copy_request(image(**facts), base_url="http://127.0.0.1:8000", needs_key=False)


@pytest.fixture
def run(tmp_path):
    """Run a line in bash, and return the arguments and the input of the program in it."""
    for name in ("stills", "curl"):
        program = tmp_path / name
        program.write_text(RECORDER.format(python=sys.executable))
        program.chmod(0o755)

    def in_bash(line: str) -> tuple[list[str], str]:
        done = subprocess.run(
            ["bash", "-c", line],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
            check=True,
        )
        assert not (tmp_path / "pwned").exists()
        arguments, stdin = json.loads(done.stdout)
        return arguments, stdin

    return in_bash


@pytest.mark.parametrize("prompt", HOSTILE)
def test_no_prompt_leaves_its_quotes_in_a_shell(run, prompt):
    """The program gets the prompt to the letter, whatever it is made of."""
    commands = copied(prompt=prompt, style=prompt, negative_prompt=prompt)
    arguments, stdin = run(commands.cli)
    if prompt == "-":
        assert (arguments[:2], stdin) == (["generate", "-"], "-")
    else:
        assert prompt in (arguments[1], arguments[-1])
        assert arguments[0] == "generate"
    assert prompt in arguments or f"--style={prompt}" in arguments
    arguments, _ = run(commands.curl)
    fields = json.loads(arguments[arguments.index("-d") + 1])
    assert [fields[name] for name in ("prompt", "style", "negative_prompt")] == [prompt] * 3


@pytest.mark.parametrize("prompt", HOSTILE)
def test_no_control_character_reaches_a_terminal(prompt):
    """Pasted, a command is exactly the lines that we wrote."""
    commands = copied(prompt=prompt)
    for text in (commands.curl, commands.cli, commands.python):
        kept = text.replace("\n", "")
        assert all(character.isprintable() for character in kept), repr(kept)
    assert commands.cli.count("\n") == 0
    assert commands.curl.count("\n") == 2


@pytest.mark.parametrize("prompt", HOSTILE)
def test_the_python_is_one_request(prompt):
    """It runs, and names what was asked for."""
    given = {}
    namespace = {"__builtins__": {"__import__": __import__, "print": lambda *_: None}}
    code = copied(prompt=prompt).python.replace("from stills import ImageRequest, generate", "")

    def generate(request, **options):
        given.update(request, **options)
        return type("Image", (), {"image_url": ""})

    exec(code, namespace | {"ImageRequest": lambda **fields: fields, "generate": generate})
    assert given == {
        "prompt": prompt,
        "size": "640*360",
        "seed": 7,
        "model": "qwen-image-2.0",
        "sandbox": True,
    }


def test_all_fields_of_a_request_are_copied(run):
    """Their options have the names of the command line; a paid image needs no sandbox."""
    references = (
        ReferenceRecord("d", "stills://images/0123456789ab-64x64"),
        ReferenceRecord("e", "https://a.example/b.png"),
    )
    commands = copied(
        provider="dashscope",
        references=references,
        prompt_extend=False,
        enable_thinking=True,
        style="oil",
    )
    arguments, _ = run(commands.cli)
    assert arguments == [
        *("generate", "a kite", "--style", "oil", "--size", "640*360", "--seed", "7"),
        *("--reference-image", references[0].shown, "--reference-image", references[1].shown),
        *("--no-prompt-extend", "--enable-thinking", "--model", "qwen-image-2.0"),
    ]
    assert "sandbox" not in commands.python
    assert not commands.missing_references
    assert copied(references=(ReferenceRecord("d", "anna.png"),)).missing_references
    assert copied(references=(ReferenceRecord("d", None),)).missing_references


def test_a_key_is_named_and_not_written():
    """The command takes it from the environment, as OpenAI's clients do."""
    command = copy_request(image(), base_url="https://a.example", needs_key=True).curl
    assert '"Authorization: Bearer $OPENAI_API_KEY"' in command


def test_plain_text_has_plain_quotes():
    """A prompt without control characters is quoted for every POSIX shell."""
    assert quote("a kite") == "'a kite'"
    assert quote("kite") == "kite"
