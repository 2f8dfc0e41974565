"""Load reference images in any form, each as a data URL that can be sent."""

import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

from stills.contract.encoded_image import (
    BASE64_MIN,
    decode_base64,
    decode_data_url,
    is_base64_image,
    is_data_url,
)
from stills.contract.errors import InvalidReference
from stills.contract.file_url import file_path, is_local_file_url
from stills.pipeline.reference import Reference
from stills.pipeline.reference_cache import (
    REFERENCE_MAX_BYTES,
    Prepared,
    ReferenceCache,
    too_big,
)
from stills.pipeline.stored_reference import StoredReferences

_QUOTED_MAX = 400  # characters


class ReferenceLoader:
    """Loads reference images in any form; one for all requests of a process.

    A URL is downloaded here, so that the bytes that are part of the key are those that are sent.
    If references are not trusted, a path is rejected without looking at it.
    """

    def __init__(
        self, cache: ReferenceCache, stored: StoredReferences, *, trusts_references: bool
    ) -> None:
        self._cache = cache
        self._stored = stored
        self._trusts_references = trusts_references

    async def load(self, given: str | bytes) -> Reference:
        """Load a reference image from any of its forms.

        These are an https URL, a data URL, base64, bytes, a local path or its file URL, and the id
        or any URL of a stored image.

        Raises:
            InvalidReference: it is something else, too big, or can't serve as a reference.
            ImageMissing: it is a stored image that is missing from the store, or damaged.
            StorageError: the catalog or the store can't be read.
        """
        if isinstance(given, bytes):
            return _describe(await self._cache.prepare(given), f"{len(given)} bytes")
        address = given.strip()
        stored = None if is_data_url(address) else await self._stored.read(address)
        if stored is not None:
            return _describe(await self._cache.prepare(stored[0]), stored[1])
        if address[:8].lower() == "https://":
            shown = _without_secrets(address)
            return _describe(await self._cache.download(address), shown)
        data, shown = await self._read(given)
        return _describe(await self._cache.prepare(data), shown)

    async def close(self) -> None:
        """Cancel what is under way."""
        await self._cache.close()

    async def _read(self, given: str) -> tuple[bytes, str]:
        """Return the bytes of a local reference, and what to call it."""
        written = given.strip()
        if is_data_url(written):
            return await asyncio.to_thread(decode_data_url, written), "data URL"
        if is_base64_image(written) and not await self._is_path(given):
            return await asyncio.to_thread(decode_base64, written), "base64"
        if self._trusts_references and is_local_file_url(written):
            path = file_path(written)
            return await asyncio.to_thread(_read_file, str(path)), path.name
        if "://" in written[:12]:
            raise InvalidReference(
                f"reference_image has scheme {written.split('://', 1)[0]!r}, but only https is "
                "supported",
                field="reference_image",
            )
        if not self._trusts_references:
            raise InvalidReference(
                "reference_image is neither an https URL nor a data URL, nor the id of a stored "
                "image",
                field="reference_image",
                action="Give an https URL, a data URL, bytes or the id of an image.",
            )
        return await asyncio.to_thread(_read_file, given), Path(given).name

    async def _is_path(self, given: str) -> bool:
        return self._trusts_references and await asyncio.to_thread(_exists, given)


def _describe(prepared: Prepared, shown: str) -> Reference:
    return Reference(
        url=prepared.url,
        digest=prepared.digest,
        shown=shown,
        size=prepared.size,
        notes=tuple(f"The reference image ({shown}) {change}." for change in prepared.changes),
    )


def _without_secrets(url: str) -> str:
    """Return a URL without query and credentials.

    Raises:
        InvalidReference: it is not a valid URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or any(character.isspace() for character in url):
        raise InvalidReference("reference_image is not a valid URL", field="reference_image")
    name = f"[{host}]" if ":" in host else host
    return f"https://{name}{f':{port}' if port else ''}{parts.path}"


def _find_file(written: str) -> Path:
    """Return the path in the locale's encoding, or in UTF-8, which Stills uses for file names."""
    path = Path(written).expanduser()
    if path.exists():
        return path
    in_utf8 = Path(os.fsdecode(str(path).encode("utf-8", "surrogateescape")))
    return in_utf8 if in_utf8.exists() else path


def _exists(written: str) -> bool:
    try:
        return _find_file(written).exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _read_file(written: str) -> bytes:
    try:
        path = _find_file(written)
        if not path.is_file():
            what = "not a regular file" if path.exists() else "no such file"
            raise InvalidReference(
                f"reference_image{_quote(written)}: {what}", field="reference_image"
            )
        size = path.stat().st_size
        if size > REFERENCE_MAX_BYTES:
            raise too_big(size)
        return path.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidReference(
            f"reference_image{_quote(written)} can't be read: "
            f"{getattr(error, 'strerror', None) or type(error).__name__}",
            field="reference_image",
        ) from None


def _quote(written: str) -> str:
    """Return a path as part of a message; nothing if it may be a spoilt image in base64."""
    is_path = len(written) < BASE64_MIN or ("." in written and len(written) <= _QUOTED_MAX)
    return f" {written!r}" if is_path else ""
