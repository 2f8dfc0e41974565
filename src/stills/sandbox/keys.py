"""Keys that the sandbox accepts: only its own, like the test keys of payment providers."""

from collections.abc import Mapping

from stills.sandbox.errors import Refusal

_ACCEPTED = "sk-sandbox"
_DENIED = "sk-sandbox-denied"
_OVERDUE = "sk-sandbox-overdue"


def check_key(headers: Mapping[str, str]) -> None:
    """Refuse a missing key, a real key, and the two keys that simulate account problems."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(_ACCEPTED):
        # The key isn't quoted, because clients that redact keys would garble the message.
        message = "Invalid API-key provided. This is a sandbox: use the key that it printed."
        raise Refusal(401, "InvalidApiKey", message)
    if key.startswith(_DENIED):
        message = "Access to model denied: the model has not been purchased."
        raise Refusal(403, "AccessDenied.Unpurchased", message)
    if key.startswith(_OVERDUE):
        message = "Access denied, please make sure your account is in good standing."
        raise Refusal(400, "Arrearage", message)
