"""Settings: the environment's variables, and behind them the values of `stills.toml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stills.contract.errors import ConfigError
from stills.project.find import Project, find_project

if TYPE_CHECKING:
    from stills.project.file import FileValue


@dataclass(frozen=True, slots=True)
class Settings:
    """Looks up settings by the name of their variable. An empty variable counts as unset."""

    environment: Mapping[str, str]
    project: Project
    in_file: Mapping[str, "FileValue"]

    def get(self, variable: str) -> str | None:
        """Return the value of a setting; None if it has only its default."""
        return self.environment.get(variable) or self.get_from_file(variable)

    def get_from_file(self, variable: str) -> str | None:
        """Return the value in `stills.toml`, whatever the environment says."""
        value = self.in_file.get(variable)
        return None if value is None else value.text

    def name_of(self, variable: str) -> str:
        """Return how an error names a setting: as it is written, and where that is in a file."""
        value = self.in_file.get(variable)
        if value is None or self.environment.get(variable):
            return variable
        return f"{value.place}: {value.name}"

    def origin(self, variable: str) -> str:
        """Return where the value comes from: `environment`, `FILE:LINE` or `default`."""
        if self.environment.get(variable):
            return "environment"
        value = self.in_file.get(variable)
        return "default" if value is None else value.place

    def error(self, variable: str, what: str) -> ConfigError:
        """Make the error for a wrong value; `what` says what it can be set to."""
        return ConfigError(
            f"{self.name_of(variable)} is {(self.get(variable) or '')[:40]!r}",
            field=variable,
            action=f"Set it to {what}.",
        )


def read_settings(environment: Mapping[str, str], home: Path | None) -> Settings:
    """Find the project of the current folder, and read its file.

    Raises:
        ConfigError: the file can't be used.
    """
    project = find_project(_current_folder(), home)
    if project.file is None:
        return Settings(environment, project, {})
    from stills.project.file import read_project_file  # noqa: PLC0415 - most have no file

    return Settings(environment, project, read_project_file(project.file))


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was deleted
        return None
