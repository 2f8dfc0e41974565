"""Writes the table of docs/licences.md from the packages that are installed: `make licences`."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache Software License; MIT License": "Apache-2.0 OR MIT",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "SIL Open Font License 1.1 (OFL-1.1)": "OFL-1.1",
}
"""What packages without an SPDX expression say, as one."""

EXPRESSION = re.compile(r"MIT|ISC|[A-Z][\w.]*-\d[\w.-]*")


def render() -> str:
    """Return the page with a new table."""
    text = PAGE.read_text(encoding="utf-8").partition("| package |")[0]
    lines = ["| package | licence | installed |", "|---|---|---|"]
    extras = PROJECT["optional-dependencies"]
    always = needed_by(PROJECT["dependencies"])
    uses = dict.fromkeys(always, "always")
    for extra in sorted(extras):
        for name in needed_by(extras[extra]) - always:
            uses[name] = f"{uses[name]}, `{extra}`" if name in uses else f"with `{extra}`"
    licences = find_licences(uses)
    lines += [f"| {name} | {licences[name]} | {uses[name]} |" for name in sorted(uses)]
    return text + "\n".join(lines) + "\n"


def needed_by(requirements: Iterable[str]) -> set[str]:
    """Return the names of the packages that these requirements install here, and theirs."""
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in found:
                found.add((name, wanted))
                waiting += [(Requirement(line), wanted) for line in _requires(name)]
    return {name for name, _ in found}


def find_licences(names: Iterable[str]) -> dict[str, str]:
    """Return the licence of each package, as an SPDX expression, as `pip-licenses` reports it."""
    program = Path(sys.executable).with_name("pip-licenses")
    command = [program, "--from=all", "--format=json", "--with-system"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    packages = {canonicalize_name(package["Name"]): package for package in listed}
    return {name: _licence(packages[name]) for name in names}


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another platform
        return []


def _licence(package: dict[str, str]) -> str:
    for source in ("License-Expression", "License-Metadata", "License-Classifier"):
        said = package[source].strip().split("\n")[0]
        if (source == "License-Expression" and said != "UNKNOWN") or EXPRESSION.fullmatch(said):
            return said
        if said in SPDX:
            return SPDX[said]
    return "unknown"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
