"""docs/licences.md lists the licence of each dependency, and all of them suit ours."""

import re

from tests.docs.licences_page import PAGE, PROJECT, find_licences, needed_by
from tests.support.documents import rows

PERMISSIVE = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU",
    "PSF-2.0",
}  # fmt: skip
WITH_CONDITIONS = {"LGPL-3.0-only", "LGPL-3.0-or-later", "MPL-2.0", "OFL-1.1"}
"""They allow use in a program under another licence; the page says what passing them on needs."""

LISTED = {name: (licence, use) for name, licence, use in rows(PAGE, "package")}


def test_each_dependency_is_listed_with_its_licence():
    """`make licences` writes the page again; packages of other Python versions may be on it too."""
    extras = PROJECT["optional-dependencies"].values()
    names = needed_by([*PROJECT["dependencies"], *(line for extra in extras for line in extra)])
    licences = find_licences(names)
    assert {name: LISTED[name][0] for name in names} == licences


def test_every_licence_allows_use_in_a_program_under_another_licence():
    """Of alternatives, one is enough."""
    allowed = PERMISSIVE | WITH_CONDITIONS
    refused = {
        name: licence
        for name, (licence, _) in LISTED.items()
        if not any(
            {*re.split(r" AND ", choice.strip("()"))} <= allowed for choice in licence.split(" OR ")
        )
    }
    assert refused == {}


def test_the_page_explains_each_licence_that_has_conditions():
    """Each of those packages is named in the text, or is part of one that is."""
    text = PAGE.read_text(encoding="utf-8").partition("## Packages")[0]
    conditional = {name for name, (licence, _) in LISTED.items() if licence in WITH_CONDITIONS}
    families = {"noto-cjk-sans-jp-regular": "the font", "psycopg-binary": "psycopg"}
    assert conditional
    assert {name for name in conditional if families.get(name, f"`{name}`") not in text} == set()
