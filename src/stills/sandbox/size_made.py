"""The size of the image that the service makes, which may not be the one it was asked for."""

from stills.sandbox.rules import AcceptedRequest
from stills.sandbox.settings import SandboxSettings

_STEP = 16
_SIZE_WITH_REFERENCES = (2048, 2048)


def size_made(accepted: AcceptedRequest, settings: SandboxSettings) -> tuple[int, int]:
    """Return width and height in pixels."""
    if settings.ignores_size_with_references and accepted.reference_count:
        return _SIZE_WITH_REFERENCES
    if settings.rounds_sizes:
        return _round(accepted.width), _round(accepted.height)
    return accepted.width, accepted.height


def _round(side: int) -> int:
    return max(1, round(side / _STEP)) * _STEP
