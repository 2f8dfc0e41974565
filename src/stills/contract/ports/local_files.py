"""Local files: an optional capability of adapters that keep their data on this machine."""

from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class LocalFiles(Protocol):
    """Says which files belong to an adapter, so that nothing else overwrites them."""

    def name_of_file(self, file: Path) -> str | None:
        """Return the name under which the adapter would use a resolved path, existing or not.

        None means that the file is not the adapter's. A store returns an object's path.
        """
        ...


def find_own_name(adapter: object, file: Path) -> str | None:
    """Return `name_of_file` of an adapter that has local files, None of any other."""
    return adapter.name_of_file(file) if isinstance(adapter, LocalFiles) else None
