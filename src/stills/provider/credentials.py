"""Finding the API key; the key determines the provider."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from stills.contract.errors import AccessError, MissingKey, WrongKey
from stills.contract.providers import DASHSCOPE, SANDBOX, ProviderInfo
from stills.provider.base_url import DEFAULT_BASE_URL, check_base_url
from stills.provider.key_files import FoundKey, find_key_file

# The sandbox only accepts keys with this prefix, and the service accepts none of them, so the key
# decides whether real money is spent.
SANDBOX_KEY_PREFIX = "sk-sandbox"


class ProviderKey:
    """A key that never appears in a repr, log or pickle."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        """Return the key itself; use it only for the Authorization header."""
        return self._secret

    def __repr__(self) -> str:
        return "ProviderKey(***)"

    def __reduce__(self) -> Never:
        raise TypeError("an API key can't be pickled")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and where it is used. `account_name` is the user's name for the account behind it.

    `key_place` is where the key was found.
    """

    key: ProviderKey
    base_url: str
    account_name: str | None = None
    key_place: str = ""

    @property
    def account(self) -> str:
        """A short digest of the account's name, or else of the key and the base URL.

        The service limits an account, whichever of its keys is used; only the user knows which keys
        belong together.
        """
        whose = self.account_name or f"{self.key.reveal()} {self.base_url}"
        return hashlib.sha256(whose.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    @property
    def provider(self) -> ProviderInfo:
        """The provider that accepts the key."""
        is_sandbox_key = self.key.reveal().startswith(SANDBOX_KEY_PREFIX)
        return SANDBOX if is_sandbox_key else DASHSCOPE


def find_credentials(
    *,
    key: str | None,
    profile: str,
    credentials_file: Path | None,
    base_url: str | None,
    project_base_url: str | None = None,
    dotenv_files: Sequence[Path] = (),
    api_key_file: Path | None = None,
    account_name: str | None = None,
) -> Credentials:
    """Return the first key of: the given one, the profile's `dashscope_api_key`, other files.

    The other files are those of `find_key_file`. They are not read if a profile is named that has
    no key: another account would be billed. `base_url` wins over the one beside the key, which wins
    over the project's. A sandbox's key never goes to the latter.

    Raises:
        MissingKey: there is none.
        WrongKey: the key has characters that keys don't have.
        AccessError: a file or the base URL can't be used.
    """
    given = _find_key(key, profile, credentials_file, dotenv_files, api_key_file)
    found, base_url = given.key, base_url or given.base_url
    if not found.isascii() or not found.isprintable() or " " in found:
        raise WrongKey(
            "the API key contains invalid characters",
            action="Copy it again, without quotes or spaces. Nothing was sent.",
        )
    credentials = Credentials(
        ProviderKey(found),
        check_base_url(base_url or project_base_url or DEFAULT_BASE_URL),
        account_name,
        given.place,
    )
    if not credentials.provider.is_paid and base_url is None:
        raise AccessError(
            "the API key is for the sandbox, but the base URL of a sandbox is not set",
            action="Add --sandbox, or set DASHSCOPE_HTTP_BASE_URL to what `stills sandbox` prints.",
        )
    return credentials


def _find_key(
    key: str | None,
    profile: str,
    credentials_file: Path | None,
    dotenv_files: Sequence[Path],
    api_key_file: Path | None,
) -> FoundKey:
    if key and key.strip():
        return FoundKey(key.strip(), "DASHSCOPE_API_KEY")
    found = _read_profile(profile, credentials_file)
    if isinstance(found, str):
        return FoundKey(found, f"{credentials_file} [{profile}]")
    other = find_key_file(dotenv_files, api_key_file)
    if other is None:
        raise found
    return other


def _read_profile(profile: str, credentials_file: Path | None) -> str | MissingKey:
    """Return the profile's key, or the error if no other file has one either.

    Raises:
        MissingKey: the file lacks the profile that was named.
        AccessError: the file can't be read.
    """
    if credentials_file is None:
        return MissingKey()
    import configparser  # noqa: PLC0415 - most users set the variable instead

    parser = configparser.ConfigParser(interpolation=None)
    try:
        text = credentials_file.read_text(encoding="utf-8-sig")  # Windows adds a mark
        parser.read_string(text)
    except FileNotFoundError:
        return MissingKey()
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The parser's error isn't passed on, because it quotes lines of the file.
        raise AccessError(
            f"{credentials_file} can't be read ({type(error).__name__})",
            action="Fix it, or set DASHSCOPE_API_KEY.",
        ) from None
    found = parser.get(profile, "dashscope_api_key", fallback="").strip()
    if found:
        return found
    message = f"{credentials_file} has no dashscope_api_key under [{profile}]"
    if profile == "default":
        return MissingKey(message)
    raise MissingKey(
        message,
        action="Set DASHSCOPE_API_KEY, or put dashscope_api_key under "
        f"[{profile}] there, or name another section in ALIBABA_CLOUD_PROFILE, or add --sandbox to "
        "try without a key.",
    )
