"""Stills generates still images for video pipelines, stores them, and never pays twice."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from stills.app import Stills
    from stills.blocking import generate, generate_many, generate_takes
    from stills.contract.errors import StillsError
    from stills.contract.generation import Image, Stage
    from stills.contract.outcome import RequestOutcome
    from stills.contract.request import ImageRequest
    from stills.contract.result import ImageResult

__all__ = [
    "Image",
    "ImageRequest",
    "ImageResult",
    "RequestOutcome",
    "Stage",
    "Stills",
    "StillsError",
    "__version__",
    "generate",
    "generate_many",
    "generate_takes",
]

_MODULES = {
    "Image": "stills.contract.generation",
    "ImageRequest": "stills.contract.request",
    "ImageResult": "stills.contract.result",
    "RequestOutcome": "stills.contract.outcome",
    "Stage": "stills.contract.generation",
    "Stills": "stills.app",
    "StillsError": "stills.contract.errors",
    "generate": "stills.blocking",
    "generate_many": "stills.blocking",
    "generate_takes": "stills.blocking",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is used: most commands need few of them."""
    if name == "__version__":
        return import_module("importlib.metadata").version("stills")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found


def __dir__() -> list[str]:
    return __all__
