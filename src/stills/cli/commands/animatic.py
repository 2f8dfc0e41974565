"""`stills animatic`: the images of a batch as a video."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stills.animatic.animatic import Animatic, make_animatic, plan_animatic
from stills.cli.film_summary import count_shots, list_skipped
from stills.cli.screen import can_redraw


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    animatic = plan_animatic(
        Path(options.manifest), seconds_per_shot=options.seconds_per_shot, fps=options.fps
    )
    output = Path(options.output)
    with _progress(len(animatic.stills)) as on_shot:
        make_animatic(
            animatic,
            output,
            ken_burns=options.ken_burns,
            burn_in=options.burn_in,
            audio=Path(options.audio) if options.audio else None,
            force=options.force,
            on_shot=on_shot,
        )
    print(output)
    print(summary(animatic), file=sys.stderr)
    return 0


def summary(animatic: Animatic) -> str:
    """Describe the video in a line, and the shots that are not in it in others."""
    filmed = (
        f"{count_shots(len(animatic.stills))}, {animatic.film.seconds:.1f} s, "
        f"{animatic.size} at {animatic.fps} frames per second"
    )
    return "\n".join([filmed, *list_skipped(animatic.film)])


@contextmanager
def _progress(shots: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar, if standard error is a terminal."""
    if not can_redraw():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("encoding", total=shots)
        yield lambda done: bar.update(task, completed=done)
