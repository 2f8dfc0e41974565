"""Which keys the sandbox takes: only those made for it, as payment providers do with test keys."""

from collections.abc import Mapping

from stills.sandbox.errors import ServiceError

_ACCEPTED = "sk-sandbox"
_DENIED = "sk-sandbox-denied"
_OVERDUE = "sk-sandbox-overdue"


def check_key(headers: Mapping[str, str]) -> None:
    """Refuse a missing key, a real key, and the two keys that stand for an account in trouble."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(_ACCEPTED):
        # Not by its name: whoever redacts keys would make nonsense of it.
        message = "Invalid API-key provided. This is a sandbox: use the key that it printed."
        raise ServiceError(401, "InvalidApiKey", message)
    if key.startswith(_DENIED):
        message = "Access to model denied: the model has not been purchased."
        raise ServiceError(403, "AccessDenied.Unpurchased", message)
    if key.startswith(_OVERDUE):
        message = "Access denied, please make sure your account is in good standing."
        raise ServiceError(400, "Arrearage", message)
