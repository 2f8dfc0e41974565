"""Retirement: say that a model is retired according to notices, and how to choose another."""

import logging
from functools import cache

from stills.contract.models import Model
from stills.contract.providers import is_paid

_LOG = logging.getLogger("stills")


def retirement_notes(model: Model) -> tuple[str, ...]:
    """Return a note for the result of a new image, if the model is retired."""
    if not model.retirement:
        return ()
    how = "Choose another model with --model, STILLS_MODEL or the field model"
    return (f"{model.id} {model.retirement}. {how}.",)


def warn_before_paying(model: Model, provider: str) -> None:
    """Log the note once in a process, before the first call of a retired model that costs money."""
    if is_paid(provider):
        for note in retirement_notes(model):
            warn_once(note)


@cache
def warn_once(note: str) -> None:
    """Log a note, once in a process."""
    _LOG.warning("%s", note)
