"""The project's text is plain English: none of the phrases below appears in it."""

import re
from pathlib import Path

import pytest
from tests.support.documents import ROOT, name

FILES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml"]
FOLDERS = [".ci", "benchmarks", "docs", "skills", "src", "tests"]
SUFFIXES = {"", ".css", ".html", ".js", ".json", ".md", ".mjs", ".py", ".sql", ".toml"}
GENERATED = {"__pycache__", "node_modules", "mutants.md"}

BANNED = {
    "is none": r"(?<!there )\bis none\b",
    "is no <noun>": r"(?<!there )\bis no (?!longer\b|more than\b)[a-z]+",
    "anew": r"\banew\b",
    "mend": r"\bmend(s|ed|ing)?\b",
    "told once": r"\btold once\b",
    "for nothing": r"\bfor nothing\b",
    "whoever": r"\bwhoever\b",
    "who comes": r"\bwho comes\b",
    "lies in": r"\blies (in|at)\b",
    "comes twice": r"\bcomes? twice\b",
    "play money": r"\bplay money\b",
    "is told": r"\bis told\b",
    "so many <noun>": r"(?<!how )\bso many [a-z`]+",
    ", for <noun> is": r", for ((?!(which|whom|that|who)\b)\w+ ){1,3}(is|are|has|have|can|was)\b",
}


def texts() -> dict[Path, str]:
    """Return the text of each file on one line, without comment signs, to find broken phrases."""
    paths = [ROOT / file for file in FILES]
    for folder in FOLDERS:
        paths += [
            path
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and path.suffix in SUFFIXES and not GENERATED & {*path.parts}
        ]
    paths.remove(Path(__file__))
    return {
        path: " ".join(path.read_text(encoding="utf-8").replace("#", " ").split()) for path in paths
    }


TEXTS = texts()


@pytest.mark.parametrize("phrase", BANNED)
def test_a_phrase_that_sounds_translated_does_not_appear(phrase: str):
    """The failure shows each place, with the words around it."""
    found = [
        f"{name(path)}: …{text[max(0, hit.start() - 40) : hit.end() + 20]}…"
        for path, text in TEXTS.items()
        for hit in re.finditer(BANNED[phrase], text, re.IGNORECASE)
        if hit[0] != "is None"
    ]
    assert found == [], "\n".join(found)


def test_the_patterns_find_the_phrases():
    """Each pattern matches its own phrase, so a mistake in one can't hide a phrase."""
    for phrase, pattern in BANNED.items():
        assert re.search(pattern, f"it {phrase.replace('<noun>', 'image')} x")
    assert "README.md" in {name(path) for path in TEXTS}
