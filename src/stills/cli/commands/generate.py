"""`stills generate`: one request in, the path of each stored image out."""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from stills.app import Stills
from stills.cli.errors import NOTHING_SENT
from stills.cli.interrupts import Interrupts
from stills.cli.progress import progress
from stills.cli.text import as_json, printable
from stills.config import read_config, sign_links_by_default
from stills.contract.errors import InvalidRequest
from stills.contract.generation import Stage
from stills.contract.image_address import web_image_url
from stills.contract.money import format_usd
from stills.contract.providers import is_paid
from stills.contract.request import REQUEST_FIELDS, ImageRequest
from stills.contract.result import ImageResult
from stills.contract.retirement import was_shown
from stills.contract.takes import check_takes

_OPTIONS = tuple(name for name in REQUEST_FIELDS if name not in ("prompt", "reference_images"))


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    request = read_request(options)
    takes = check_takes(options.takes)
    outputs = [] if options.output is None else _name_outputs(_read_output(options.output), takes)
    results = make_images(
        request,
        outputs,
        takes=takes,
        sandbox=options.sandbox,
        model=options.model,
        fresh=options.fresh,
        max_cost_usd=options.max_cost,
        resend_unknown=options.resend_unknown,
        signs_links=options.json,
    )
    if options.json:
        for result in results:
            print(as_json(asdict(with_web_url(result))))
    else:
        _print_results(results)
    return 0


def _print_results(results: Sequence[ImageResult]) -> None:
    """Print the path and the summary of each image, and at the end the notes that several have."""
    counts = Counter(note for result in results for note in result.notes)
    shared = [note for note, count in counts.items() if count > 1]
    for result in results:
        own = tuple(note for note in result.notes if note not in shared)
        print(readable_url(result.image_url))
        print(summary(replace(result, notes=own)), file=sys.stderr)
    for note in shared:
        if not was_shown(note):
            print(printable(note), file=sys.stderr)


def make_image(
    request: ImageRequest,
    output: Path,
    *,
    model: str | None,
    fresh: bool,
    sandbox: bool,
    signs_links: bool,
) -> ImageResult:
    """Generate one image and copy it to `output`, as `make_images` does."""
    (result,) = make_images(
        request, [output], model=model, fresh=fresh, sandbox=sandbox, signs_links=signs_links
    )
    return result


def make_images(
    request: ImageRequest,
    outputs: Sequence[Path],
    *,
    takes: int = 1,
    sandbox: bool,
    model: str | None = None,
    fresh: bool = False,
    max_cost_usd: float | None = None,
    resend_unknown: int | None = None,
    signs_links: bool = False,
) -> Sequence[ImageResult]:
    """Generate takes of a request; the first Ctrl-C lets API calls finish.

    `outputs` are the files to copy them to: one for each take, or none at all. `signs_links` is
    whether links to a bucket open for other programs, unless the environment says how they are.

    Raises:
        KeyboardInterrupt: it was interrupted before the images were complete.
        StillsError: see stills.errors.
    """
    environment = sign_links_by_default() if signs_links else None
    sent = False

    async def work(stop: asyncio.Event) -> Sequence[ImageResult]:
        made = Stills.from_env(
            sandbox=sandbox, resend_unknown=resend_unknown, environment=environment
        )
        async with made as stills, progress(takes) as show:

            def follow(take: int, stage: Stage) -> None:
                nonlocal sent
                sent = sent or stage is not Stage.CLAIMED
                show(take, stage)

            for output in outputs:
                await stills.images.check_target(output)
            results = await stills.generate_takes(
                request,
                takes=takes,
                model=model,
                fresh=fresh,
                max_cost_usd=max_cost_usd,
                stop=stop,
                on_stage=follow,
            )
            for result, output in zip(results, outputs, strict=False):
                await stills.images.save(result.id, output)
            return results

    async def run_until_interrupted() -> Sequence[ImageResult] | None:
        stop = asyncio.Event()
        with Interrupts(stop, is_sent=lambda: sent) as interrupts:
            return await interrupts.run(lambda: work(stop))

    results = asyncio.run(run_until_interrupted())
    if results is None:
        raise KeyboardInterrupt(*([] if sent else [NOTHING_SENT]))
    return results


def read_request(options: argparse.Namespace) -> ImageRequest:
    """Read the request from the options, or from the JSON that they name.

    Raises:
        InvalidRequest: the request is invalid, missing, or specified more than once.
    """
    ways = [way for way in (options.prompt, options.request, options.file) if way is not None]
    if len(ways) != 1:
        raise InvalidRequest(
            "specify the request exactly once",
            action="Give a PROMPT, or --request JSON, or --file F.",
        )
    if options.prompt is None:
        return _read_json(options)
    size = _read_size(options)
    prompt = _read_prompt() if options.prompt == "-" else options.prompt
    fields = {name: getattr(options, name) for name in _OPTIONS} | {"size": size}
    images = fields.pop("reference_image") or []
    if len(images) == 1:
        return ImageRequest(prompt=prompt, reference_image=images[0], **fields)
    return ImageRequest(prompt=prompt, reference_images=tuple(images), **fields)


def read_request_file(path: Path) -> bytes:
    """Read the JSON file of a request.

    Raises:
        InvalidRequest: the file can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"{path} can't be read: {error.strerror}", action="Check the path."
        ) from None


def with_web_url(result: ImageResult) -> ImageResult:
    """Return a result as JSON shows it: its image opens elsewhere if STILLS_PUBLIC_URL is set."""
    public_url = read_config().public_url
    return replace(result, image_url=web_image_url(result.image_url, result.id, public_url))


def readable_url(image_url: str) -> str:
    """Return a file URL as a path, for people and scripts; other URLs as they are.

    Printed in the locale's encoding, the path has exactly the bytes of the name on disk.
    """
    if not image_url.startswith("file://"):
        return image_url
    from stills.contract.file_url import file_path  # noqa: PLC0415 - not for every URL

    return str(file_path(image_url))


def summary(result: ImageResult) -> str:
    """Describe an image and its cost in one line, followed by its notes that were not shown yet."""
    size = f"{result.width}*{result.height}"
    simulated = "" if is_paid(result.provider) else " (simulated)"
    if result.cached:
        cost = "from the catalog, nothing billed"
    elif result.cost_usd is None:
        cost = f"billed, price of {result.model} unknown"
    else:
        cost = f"billed {format_usd(result.cost_usd)}{simulated}"
    made = f"{result.id}: {size}, seed {result.seed}, {result.provider} {result.model}; {cost}"
    notes = [note for note in result.notes if not was_shown(note)]
    return "\n  ".join(map(printable, (made, *notes)))


def _read_output(written: str) -> Path:
    if not os.path.basename(written):  # noqa: PTH119 - Path drops a final slash
        raise InvalidRequest(
            f"--output {written!r} is a folder",
            field="output",
            action="Give a file, such as shots/kite.png.",
        )
    return Path(written)


def _name_outputs(output: Path, takes: int) -> Sequence[Path]:
    """Return the files of all takes: `kite-1.png`, `kite-2.png`, ... if there are several."""
    if takes == 1:
        return [output]
    return [output.with_stem(f"{output.stem}-{number}") for number in range(1, takes + 1)]


def _read_size(options: argparse.Namespace) -> str:
    if options.aspect_ratio is not None:
        from stills.shotlist.shots import Defaults  # noqa: PLC0415 - only for a ratio
        from stills.shotlist.sizes import choose_size  # noqa: PLC0415

        return choose_size(
            size=options.size,
            width=None,
            height=None,
            aspect_ratio=options.aspect_ratio,
            defaults=Defaults(),
        )
    if options.size is None:
        raise InvalidRequest(
            "size is missing",
            field="size",
            action="Add --size, such as --size 1024*1024, or --aspect-ratio, such as 16:9.",
        )
    size: str = options.size
    return size


def _read_json(options: argparse.Namespace) -> ImageRequest:
    extra = [name for name in _OPTIONS if getattr(options, name) is not None]
    if extra:
        option = extra[0].replace("_", "-")
        raise InvalidRequest(
            f"--{option} can't be combined with --request or --file",
            field=extra[0],
            action=f"Put {extra[0]} into the JSON.",
        )
    if options.aspect_ratio is not None:
        raise InvalidRequest(
            "--aspect-ratio can't be combined with --request or --file",
            field="aspect_ratio",
            action='Write it as the size in the JSON, such as "16:9" or "2K 16:9".',
        )
    if options.request is not None:
        return ImageRequest.from_json(options.request)
    if options.file == "-":
        return ImageRequest.from_json(sys.stdin.buffer.read())
    return ImageRequest.from_json(read_request_file(Path(options.file)))


def _read_prompt() -> str:
    """Read standard input in the encoding of its byte order mark or UTF-8, not of the locale."""
    written = sys.stdin.buffer.read()
    try:
        return written.decode(json.detect_encoding(written))
    except UnicodeDecodeError:
        raise InvalidRequest(
            "standard input is not valid UTF-8", action="Convert it to UTF-8."
        ) from None
