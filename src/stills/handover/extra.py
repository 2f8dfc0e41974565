"""The libraries of the extra `stills[handover]`, which are imported where they are used."""

from importlib import import_module
from types import ModuleType

from stills.contract.errors import ToolMissing


def load(name: str, form: str) -> ModuleType:
    """Import a library that a format needs.

    Raises:
        ToolMissing: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ToolMissing(
            f"--to {form} needs the library {name}, which can't be loaded",
            action="Run `pip install 'stills[handover]'`.",
        ) from error
