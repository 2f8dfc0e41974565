"""Which certificates are trusted: those of certifi, or the file or folder that the user names."""

import ssl
from pathlib import Path

import certifi

from stills.contract.errors import ConfigError


def load_certificates(given: tuple[str, Path] | None) -> ssl.SSLContext:
    """Return TLS settings; `given` is a variable, and the file or folder that it names. Blocks.

    Raises:
        ConfigError: it has no certificates.
    """
    if given is None:
        return ssl.create_default_context(cafile=certifi.where())
    variable, path = given
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=str(path))
        return ssl.create_default_context(cafile=str(path))
    except OSError as error:
        reason = "not a PEM file" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(
            f"no certificates can be read from {variable}={str(path)[:200]!r} ({reason})",
            field=variable,
            action="Set it to a PEM file of CA certificates, or unset it. Nothing was sent.",
        ) from None
