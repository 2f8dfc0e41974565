"""The Markdown files of the project, and how to read their parts."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SKILL = ROOT / "skills" / "ai" / "image" / "alicloud-ai-image-qwen-image"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *SKILL.rglob("*.md")])


def name(document: Path) -> str:
    """Name a document by its path in the repository."""
    return document.relative_to(ROOT).as_posix()


def fences(document: Path, language: str) -> list[str]:
    """List the code blocks of a language."""
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(document: Path) -> str:
    """Give the text without its code blocks."""
    text = document.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def rows(document: Path, first_heading: str) -> list[list[str]]:
    """Read the table whose first column has this heading, without its heading."""
    lines = iter(document.read_text(encoding="utf-8").splitlines())
    start = next((line for line in lines if line.startswith(f"| {first_heading} |")), None)
    assert start is not None, f"{name(document)} has no table of {first_heading}"
    next(lines)
    table = []
    for line in lines:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return table


def code(cell: str) -> list[str]:
    """List what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)
