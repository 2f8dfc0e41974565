"""The report of a batch."""

from stills.cli.commands.batch_report import print_problems
from stills.shotlist.shots import Problem


def test_rows_with_the_same_problem_share_a_line(capsys):
    """A list without a size has one line, not one per row; every problem is counted."""
    sizes = [
        Problem(f"a:b.csv:{row}", "size", "size is missing", "Add one.") for row in range(2, 9)
    ]
    other = Problem("a:b.csv:3", "seed", "seed is text", "Use a number.")
    prompts = [Problem(f"{name}.csv:2", None, "no prompt", "Add one.") for name in ("x", "y")]
    print_problems([sizes[0], other, *sizes[1:], *prompts], skipped=False)
    assert capsys.readouterr().err.splitlines() == [
        "a:b.csv:2, 3, 4, 5, 6 and 2 more: size: size is missing. Add one.",
        "a:b.csv:3: seed: seed is text. Use a number.",
        "x.csv:2, y.csv:2: no prompt. Add one.",
        "stills: 10 problems; nothing was sent.",
    ]
