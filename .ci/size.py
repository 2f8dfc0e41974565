"""Say what an installed Stills takes on the disk: `size.py VENV`."""

import argparse
from importlib.metadata import Distribution, distributions
from pathlib import Path

SHOWN = 12


def table(venv: Path) -> list[str]:
    """Return a line for each of the largest packages, and one for all, as Markdown."""
    (site,) = venv.glob("lib/python3*/site-packages")
    sizes = {found.name: _size(found) for found in distributions(path=[str(site)])}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:SHOWN]
    rest = sum(sizes.values()) - sum(sizes[name] for name in largest)
    return [
        "| package | MB |",
        "|---|---|",
        *(f"| {name} | {_megabytes(sizes[name])} |" for name in largest),
        f"| {len(sizes) - len(largest)} others | {_megabytes(rest)} |",
        f"| all | {_megabytes(sum(sizes.values()))} |",
    ]


def _size(distribution: Distribution) -> int:
    """Return the bytes of all its files, with the compiled ones."""
    paths = (Path(distribution.locate_file(file)) for file in distribution.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("venv", type=Path)
    print("\n".join(table(parser.parse_args().venv)))
