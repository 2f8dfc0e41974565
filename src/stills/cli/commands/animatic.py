"""`stills animatic`: the images of a batch as a video."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stills.animatic.animatic import Animatic, make_animatic, plan_animatic
from stills.cli.text import printable

_NAMED = 10


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    animatic = plan_animatic(
        Path(options.manifest), seconds_per_shot=options.seconds_per_shot, fps=options.fps
    )
    output = Path(options.output)
    with _progress(len(animatic.stills)) as on_shot:
        make_animatic(animatic, output, ken_burns=options.ken_burns, on_shot=on_shot)
    print(output)
    print(summary(animatic), file=sys.stderr)
    return 0


def summary(animatic: Animatic) -> str:
    """Describe the video in a line, and the shots without an image in another."""
    filmed = (
        f"{_shots(len(animatic.stills))}, {animatic.seconds:.1f} s, "
        f"{animatic.size} at {animatic.fps} frames per second"
    )
    if not animatic.left_out:
        return filmed
    named = ", ".join(printable(shot_id) for shot_id in animatic.left_out[:_NAMED])
    more = " and others" if len(animatic.left_out) > _NAMED else ""
    return (
        f"{filmed}\n  skipped, because they have no image: {len(animatic.left_out)} ({named}{more})"
    )


def _shots(number: int) -> str:
    return f"{number} shot" if number == 1 else f"{number} shots"


@contextmanager
def _progress(shots: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("encoding", total=shots)
        yield lambda done: bar.update(task, completed=done)
