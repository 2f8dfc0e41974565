"""Where a project and its catalog are, in words."""

from pathlib import Path

from stills.config import Config
from stills.contract.postgres_url import PostgresUrl
from stills.project.find import Project


def absolute(path: Path) -> str:
    """Return a complete path, or a relative one if the current folder was deleted."""
    try:
        return str(path.absolute())
    except OSError:
        return str(path)


def project_place(project: Project) -> str:
    """Return the project's file, or else its folder."""
    return str(project.file or absolute(project.folder or Path()))


def catalog_place(config: Config) -> str:
    """Return the catalog's complete path, or its URL without the password."""
    catalog = config.catalog
    return catalog.shown if isinstance(catalog, PostgresUrl) else absolute(catalog)
