"""The reference of Python is complete: what its methods take and return is on the page too."""

import re
from collections.abc import Iterator

import griffe
import pytest
from tests.support.documents import ROOT

PAGE = ROOT / "docs" / "python-api.md"
PACKAGE = griffe.load("stills", search_paths=[ROOT / "src"])
NAMES = re.findall(r"^::: (\S+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
INTERNAL = {
    f"stills.contract.{name}"
    for name in (
        "generation.CatalogMiss",
        "generation.ProviderAnswer",
        "generation.Task",
        "ports.batch_folders.BatchFolders",
        "ports.imaging.PngImage",
        "ports.imaging.TextLook",
        "ports.jobs.RunPart",
        "ports.jobs.WorkOptions",
        "takes.Seat",
    )
}
"""Only the parts of Stills itself make or read these."""

ERRORS = "stills.contract.errors."
"""Errors have a page of their own."""


def find(path: str) -> griffe.Object:
    """Return what a name stands for, where it is defined."""
    found = PACKAGE[path.removeprefix("stills.")]
    return found.final_target if isinstance(found, griffe.Alias) else found


LISTED = {find(name).path for name in NAMES}


def public_members(listed: griffe.Object) -> Iterator[griffe.Object]:
    if not listed.is_class:
        yield listed
    for name, member in listed.members.items():
        if not name.startswith("_") and not member.is_alias:
            yield member


def types_of(member: griffe.Object) -> Iterator[str]:
    """List our own types in a signature, or in the type of an attribute."""
    expressions = [getattr(member, "annotation", None)]
    if isinstance(member, griffe.Function):
        expressions = [member.returns, *(one.annotation for one in member.parameters)]
    for expression in expressions:
        if isinstance(expression, griffe.Expr):
            for part in expression.iterate():
                path = part.canonical_path if isinstance(part, griffe.ExprName) else ""
                if path.startswith("stills."):
                    yield find(path).path


@pytest.mark.parametrize("name", NAMES)
def test_every_name_on_the_page_is_described(name: str):
    """So is each of its methods and properties."""
    listed = find(name)
    assert listed.docstring
    undescribed = [
        member.path
        for member in public_members(listed)
        if (member.is_function or "property" in member.labels) and not member.docstring
    ]
    assert undescribed == []


def test_the_page_describes_what_methods_take_and_return():
    """Nobody has to read the source to call a method, or to use what it returns."""
    used = {
        path: member.path
        for name in NAMES
        for member in public_members(find(name))
        for path in types_of(member)
    }
    missing = used.keys() - LISTED - INTERNAL
    assert {path: used[path] for path in missing if not path.startswith(ERRORS)} == {}
