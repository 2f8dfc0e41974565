"""Commands and code that return a stored image again: what the gallery offers to copy.

Prompts are written by others, and a command is pasted into a shell: no prompt may end its quotes,
and no control character may reach a terminal.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stills.contract.generation import Image
from stills.contract.image_address import URI_PREFIX
from stills.contract.providers import is_paid

_CONTROLS = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]"
)
"""What terminals act on, and what shows text in another order than it has."""

_STDIN = "-"  # as a prompt, standard input


@dataclass(frozen=True, slots=True)
class CopiedRequest:
    """The request that returns an image, in three languages.

    `missing_references` is whether it names reference images that the reader has to supply.
    """

    curl: str
    python: str
    cli: str
    missing_references: bool


def copy_request(image: Image, *, base_url: str, needs_key: bool) -> CopiedRequest:
    """Write the request of a stored image for the service at `base_url`."""
    references = _list_references(image)
    fields = _list_fields(image, [address for address, _ in references])
    model = image.generation.spec.model
    is_sandbox = not is_paid(image.generation.spec.provider)
    return CopiedRequest(
        curl=write_curl(base_url, {**fields, "model": model}, needs_key=needs_key),
        python=_write_python(fields, model, is_sandbox=is_sandbox),
        cli=_write_cli(fields, model, is_sandbox=is_sandbox),
        missing_references=not all(is_known for _, is_known in references),
    )


def write_curl(base_url: str, fields: Mapping[str, object], *, needs_key: bool) -> str:
    """Write a request as a curl command."""
    lines = [f"curl {quote(base_url + '/v1/image.generate')}"]
    if needs_key:
        lines.append('-H "Authorization: Bearer $OPENAI_API_KEY"')
    body = json.dumps(fields, ensure_ascii=False)
    body = _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", body)
    lines += ["-H 'Content-Type: application/json'", f"-d {quote(body)}"]
    return " \\\n  ".join(lines)


def quote(text: str) -> str:
    """Quote text for a POSIX shell; with control characters, for bash, zsh and ksh."""
    if _CONTROLS.search(text) is None:
        return shlex.quote(text)
    written = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{_CONTROLS.sub(lambda found: _as_octal(found[0]), written)}'"


def _as_octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogatepass"))


def _list_references(image: Image) -> list[tuple[str, bool]]:
    """List how to name each reference image, and whether everyone can load it by that name."""
    return [
        (one.shown or f"reference-{number}", (one.shown or "").startswith((URI_PREFIX, "https://")))
        for number, one in enumerate(image.generation.spec.references, start=1)
    ]


def _list_fields(image: Image, references: list[str]) -> dict[str, Any]:
    """List the fields of the request; the seed is the one that was sent, which finds the image."""
    spec = image.generation.spec
    fields = {
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "style": spec.style,
        "size": str(image.rendition.size),
        "seed": spec.seed,
        "reference_image": references[0] if len(references) == 1 else None,
        "reference_images": references if len(references) > 1 else None,
        "prompt_extend": None if spec.prompt_extend else False,
        "prompt_extend_mode": spec.prompt_extend_mode,
        "enable_thinking": spec.enable_thinking,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _write_python(fields: Mapping[str, Any], model: str, *, is_sandbox: bool) -> str:
    lines = "".join(f"    {name}={_as_python(value)},\n" for name, value in fields.items())
    sandbox = ", sandbox=True" if is_sandbox else ""
    return (
        "from stills import ImageRequest, generate\n\n"
        f"request = ImageRequest(\n{lines})\n"
        f"image = generate(request, model={_as_python(model)}{sandbox})\n"
        "print(image.image_url)"
    )


def _as_python(value: Any) -> str:  # noqa: ANN401 - the value of any field
    """Return a literal without control characters, in double quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_as_python, value))}]"
    if not isinstance(value, str):
        return repr(value)
    text = json.dumps(value, ensure_ascii=False)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _write_cli(fields: Mapping[str, Any], model: str, *, is_sandbox: bool) -> str:
    parts = []
    for name, value in fields.items():
        option = f"--{name.replace('_', '-')}"
        if name == "reference_images":
            parts += [_as_option("--reference-image", one) for one in value]
        elif isinstance(value, bool):
            parts.append(option if value else f"--no-{option[2:]}")
        elif name != "prompt":
            parts.append(_as_option(option, str(value)))
    parts += [_as_option("--model", model), *(["--sandbox"] if is_sandbox else [])]
    prompt = fields["prompt"]
    if prompt == _STDIN:
        return " ".join([f"printf %s {prompt} | stills generate {prompt}", *parts])
    if prompt.startswith("-"):
        return " ".join(["stills generate", *parts, "--", quote(prompt)])
    return " ".join(["stills generate", quote(prompt), *parts])


def _as_option(option: str, value: str) -> str:
    return f"{option}={quote(value)}" if value.startswith("-") else f"{option} {quote(value)}"
