"""Reads the parts of the project's Markdown files."""

import re
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SKILL = ROOT / "skills" / "ai" / "image" / "alicloud-ai-image-qwen-image"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *SKILL.rglob("*.md")])


def name(document: Path) -> str:
    """Return the path of a document in the repository."""
    return document.relative_to(ROOT).as_posix()


def fences(document: Path, language: str) -> list[str]:
    """List the code blocks of a language."""
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(document: Path) -> str:
    """Return the text without its code blocks."""
    text = document.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def rows(document: Path, first_heading: str) -> list[list[str]]:
    """Return the rows of all tables whose first column has this heading, without the headings."""
    lines = document.read_text(encoding="utf-8").splitlines()
    starts = [at for at, line in enumerate(lines) if line.startswith(f"| {first_heading} |")]
    assert starts, f"{name(document)} has no table of {first_heading}"
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for start in starts
        for line in takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    ]


def code(cell: str) -> list[str]:
    """List the texts in backticks."""
    return re.findall(r"`([^`]+)`", cell)
