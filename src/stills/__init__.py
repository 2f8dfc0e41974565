"""Stills: one normalized image request in, one kept image out."""

from stills.app import Stills
from stills.blocking import generate
from stills.contract.errors import StillsError
from stills.contract.outcome import RequestOutcome
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult

__version__ = "0.1.0"

__all__ = [
    "ImageRequest",
    "ImageResult",
    "RequestOutcome",
    "Stills",
    "StillsError",
    "__version__",
    "generate",
]
