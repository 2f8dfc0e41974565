"""`stills animatic`: the images of a batch as a video."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stills.animatic.animatic import Animatic, Look, check_output, make_animatic, plan_animatic
from stills.animatic.burn_in import Caption, draw_caption
from stills.animatic.mask import parse_ratio
from stills.animatic.sound import CutSound, ShotSounds, find_sounds
from stills.cli.film_summary import count_shots, list_skipped, name_some
from stills.cli.pictures import open_pictures
from stills.cli.screen import can_redraw


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    mask = None if options.mask is None else parse_ratio(options.mask)
    animatic = plan_animatic(
        Path(options.manifest), seconds_per_shot=options.seconds_per_shot, fps=options.fps
    )
    output = Path(options.output)
    sound = Path(options.audio) if options.audio else None
    check_output(output, sound)
    audio = find_sounds(sound, animatic.film) if sound is not None and sound.is_dir() else sound
    captions = _draw_captions(animatic) if options.burn_in else []
    with _progress(len(animatic.stills)) as on_shot:
        cut = make_animatic(
            animatic,
            output,
            look=Look(options.ken_burns, mask, captions),
            audio=audio,
            force=options.force,
            on_shot=on_shot,
        )
    print(output)
    lines = list_sounds(audio, cut) if isinstance(audio, ShotSounds) else []
    print("\n".join([summary(animatic), *lines]), file=sys.stderr)
    return 0


def summary(animatic: Animatic) -> str:
    """Describe the video in a line, and the shots that are not in it in others."""
    filmed = (
        f"{count_shots(len(animatic.stills))}, {animatic.film.seconds:.1f} s, "
        f"{animatic.size} at {animatic.fps} frames per second"
    )
    return "\n".join([filmed, *list_skipped(animatic.film)])


def list_sounds(sounds: ShotSounds, cut: Sequence[CutSound]) -> list[str]:
    """Say which shots have no sound, which sounds are too long, and which files are unused."""
    too_long = [
        f"{one.shot_id}: {one.sound_seconds:.1f} s in {one.shot_seconds:.1f} s" for one in cut
    ]
    return [
        f"  {what}: {len(names)} ({name_some(names)})"
        for what, names in (
            ("shots without sound", sounds.silent),
            ("sounds longer than their shot, cut at its end", too_long),
            ("audio files that no shot is named by", sounds.unused),
        )
        if names
    ]


def _draw_captions(animatic: Animatic) -> list[Caption]:
    with open_pictures() as pictures:
        return [draw_caption(still, animatic.size, pictures.draw_text) for still in animatic.stills]


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
