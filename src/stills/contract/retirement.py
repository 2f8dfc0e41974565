"""Retirement: say that a model is retired according to notices, and how to choose another."""

import logging
from collections.abc import Callable

from stills.contract.models import Model
from stills.contract.providers import is_paid

_LOG = logging.getLogger("stills")
_shown: set[str] = set()


def retirement_notes(model: Model) -> tuple[str, ...]:
    """Return a note for the result of a new image, if the model is retired."""
    if not model.retirement:
        return ()
    how = "Choose another model with --model, STILLS_MODEL or the field `model`"
    return (f"{model.id} {model.retirement}. {how}.",)


def show_retirement(model: Model, show: Callable[[str], None]) -> None:
    """Show the note of a retired model, unless this process has shown it."""
    for note in retirement_notes(model):
        if not was_shown(note):
            _shown.add(note)
            show(note)


def was_shown(note: str) -> bool:
    """Return whether `show_retirement` has shown a note of a result."""
    return note in _shown


def warn_before_paying(model: Model, provider: str) -> None:
    """Log the note once in a process, before the first call of a retired model that costs money."""
    if is_paid(provider):
        show_retirement(model, lambda note: _LOG.warning("%s", note))
