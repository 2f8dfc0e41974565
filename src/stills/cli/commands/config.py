"""`stills config`: each setting, its value, and where that comes from."""

import argparse
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stills.assembly import find_service
from stills.cli.places import absolute, catalog_place, project_place
from stills.cli.text import printable
from stills.config import Config, make_config, read_own_settings
from stills.contract.errors import StillsError
from stills.project.find import Project
from stills.project.names import SETTINGS, Setting
from stills.project.schema import make_schema
from stills.project.settings import Settings

_PASSWORD = re.compile(r"://[^/\s]*@")
_HIDDEN = "***"
_NOT_SET = "-"
_LOCATIONS = ("OUTPUT_DIR", "STILLS_STORE", "STILLS_CATALOG", "STILLS_SPOOL")


@dataclass(frozen=True, slots=True)
class Row:
    """A setting; `value` is None if it is not set and has no default."""

    variable: str
    name: str | None
    value: str | None
    origin: str


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.schema:
        print(json.dumps(make_schema(), indent=2))
        return 0
    settings = read_own_settings()
    config = make_config(settings)
    rows = [_row(setting, settings, config) for setting in SETTINGS]
    if options.json:
        print(json.dumps(_record(config.project, rows), indent=2))
    else:
        print(_describe(config.project, rows))
    return 0


def _row(setting: Setting, settings: Settings, config: Config) -> Row:
    variable = setting.variable
    value, origin = settings.get(variable) or setting.default or None, settings.origin(variable)
    if setting.is_secret:
        value = None if value is None else _HIDDEN
    if variable == "DASHSCOPE_API_KEY" and value is None:
        value, origin = _find_key(config)
    if variable in _LOCATIONS:
        value = _location(variable, config)
        is_default = origin == "default" and settings.origin("OUTPUT_DIR") != "default"
        origin = "OUTPUT_DIR" if is_default and variable != "STILLS_SPOOL" else origin
    shown = None if value is None else _PASSWORD.sub(f"://{_HIDDEN}@", value)
    return Row(variable, setting.name, shown, origin)


def _find_key(config: Config) -> tuple[str | None, str]:
    """Return a sign that there is a key in a file, and which file; an error is for the doctor."""
    try:
        return _HIDDEN, find_service(config).key_place
    except StillsError:
        return None, "default"


def _location(variable: str, config: Config) -> str:
    """Return a location in effect, which may follow from the project and from OUTPUT_DIR."""
    match variable:
        case "OUTPUT_DIR":
            path = str(config.output)
        case "STILLS_STORE":
            path = config.store
        case "STILLS_SPOOL":
            path = str(config.spool)
        case _:
            path = catalog_place(config)
    return path if "://" in path else absolute(Path(path))


def _record(project: Project, rows: list[Row]) -> dict[str, Any]:
    return {
        "project": {
            "folder": absolute(project.folder or Path()),
            "file": None if project.file is None else str(project.file),
            "unused": [{"path": str(one.path), "reason": one.reason} for one in project.unused],
        },
        "settings": [asdict(row) for row in rows],
    }


def _describe(project: Project, rows: list[Row]) -> str:
    lines = [f"project: {project_place(project)}"]
    lines += [f"not used: {one.path}, because {one.reason}" for one in project.unused]
    cells = [(row.variable, row.value or _NOT_SET, row.origin) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(2)]
    lines += [
        f"{variable:{widths[0]}}  {value:{widths[1]}}  {origin}"
        for variable, value, origin in cells
    ]
    return "\n".join(map(printable, lines))
