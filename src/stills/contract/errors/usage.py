"""Errors in what the caller gave: a request, a setting, an id or a name."""

from stills.contract.errors.remedies import Remedy
from stills.contract.errors.tree import StillsError


class UsageError(StillsError):
    """What the caller gave can't be used."""

    code = "usage"
    default_remedy = Remedy.FIX_REQUEST
    default_action = "Fix what was given; nothing was sent."

    field: str | None

    def __init__(self, message: str = "", *, field: str | None = None, action: str = "") -> None:
        super().__init__(message, action=action)
        vars(self).update(field=field)


class InvalidRequest(UsageError):
    """The request breaks a rule of the contract."""

    code = "invalid_request"
    default_action = "Fix the request; nothing was sent."

    @property
    def public_action(self) -> str:
        """The action, if it was written for this case: it names fields of the request only."""
        return "" if self.action == self.default_action else self.action


class UnknownModel(InvalidRequest):
    """No model with this id is in the model table."""

    code = "unknown_model"
    default_remedy = Remedy.CHOOSE_MODEL
    default_action = "Use an exact id; nothing was sent."


class InvalidReference(InvalidRequest):
    """The reference image can't be used."""

    code = "invalid_reference"
    default_remedy = Remedy.GIVE_REFERENCE
    default_action = (
        "Give an https URL, a path, a data URL or bytes of a PNG, JPEG, WebP, GIF, BMP or TIFF."
    )


class ConfigError(UsageError):
    """A setting of this machine can't be used."""

    code = "config"
    default_remedy = Remedy.FIX_CONFIG
    default_action = "Fix the setting; nothing was sent."
    is_public = False


class NotFound(UsageError):
    """Nothing with this id or name exists."""

    code = "not_found"
    default_remedy = Remedy.USE_KNOWN_ID
    default_action = "Choose an id that `stills list` shows."


class Conflict(UsageError):
    """This name is already in use."""

    code = "conflict"
    default_remedy = Remedy.USE_NEW_NAME
    default_action = "Choose another name; nothing was changed."
