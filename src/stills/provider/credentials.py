"""Find the API key, and with it which provider is meant."""

from dataclasses import dataclass
from pathlib import Path
from typing import Never
from urllib.parse import urlsplit, urlunsplit

from stills.contract.addresses import is_this_machine
from stills.contract.errors import AccessError, MissingKey, WrongKey

# The sandbox takes only keys that start like this, and the service takes none of them: so the key
# alone tells play money from real money.
SANDBOX_KEY_PREFIX = "sk-sandbox"
DEFAULT_BASE_URL = "https://dashscope.aliyuncs.com/api/v1"
_API_PATH = "/api/v1"


class ProviderKey:
    """A key that shows in no repr, no log and no pickle."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        """Give the key itself, for the Authorization header alone."""
        return self._secret

    def __repr__(self) -> str:
        return "ApiKey(***)"

    def __reduce__(self) -> Never:
        raise TypeError("an API key can't be pickled")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and where it is used."""

    key: ProviderKey
    base_url: str

    @property
    def provider(self) -> str:
        """`sandbox` for a sandbox key, else `dashscope`."""
        if self.key.reveal().startswith(SANDBOX_KEY_PREFIX):
            return "sandbox"
        return "dashscope"


def find_credentials(
    *, key: str | None, profile: str, credentials_file: Path | None, base_url: str | None
) -> Credentials:
    """Take the key given, else the profile's `dashscope_api_key` in the credentials file.

    Raises:
        MissingKey: neither is there.
        WrongKey: the key can't be a key.
        AccessError: the credentials file or the base URL can't be used.
    """
    found = (key or "").strip() or _read_profile(profile, credentials_file)
    if not found.isascii() or not found.isprintable() or " " in found:
        raise WrongKey(
            "the API key has characters that no key has",
            action="Copy it again, without quotes and spaces; nothing was sent.",
        )
    credentials = Credentials(ProviderKey(found), check_base_url(base_url or DEFAULT_BASE_URL))
    if credentials.provider == "sandbox" and base_url is None:
        raise AccessError(
            "a sandbox key is set, but no sandbox",
            action="Add --sandbox, or set DASHSCOPE_HTTP_BASE_URL to what `stills sandbox` prints.",
        )
    return credentials


def check_base_url(written: str) -> str:
    """Bring a base URL, written as host root, `…/v1` or `…/api/v1`, to `…/api/v1`.

    Raises:
        AccessError: it is no URL, or would send the key unencrypted to another machine.
    """
    try:
        parts = urlsplit(written.strip())
        host = parts.hostname if parts.port != 0 else None  # a port that is none raises
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or parts.username is not None:
        raise AccessError(
            "DASHSCOPE_HTTP_BASE_URL is no http(s) URL",
            action=f"Set it to something like {DEFAULT_BASE_URL}, or leave it out.",
        )
    if parts.scheme == "http" and not is_this_machine(host):
        raise AccessError(
            f"DASHSCOPE_HTTP_BASE_URL would send the key to {host} unencrypted",
            action="Use https.",
        )
    path = parts.path.rstrip("/")
    endings = (_API_PATH, "/compatible-mode/v1", "/v1")
    mount = path.removesuffix(next((ending for ending in endings if path.endswith(ending)), ""))
    return urlunsplit((parts.scheme, parts.netloc, mount + _API_PATH, "", ""))


def _read_profile(profile: str, credentials_file: Path | None) -> str:
    if credentials_file is None:
        raise MissingKey
    import configparser  # noqa: PLC0415 - most users set the variable instead

    parser = configparser.ConfigParser(interpolation=None)
    try:
        text = credentials_file.read_text(encoding="utf-8-sig")  # Windows editors add a mark
        parser.read_string(text)
    except FileNotFoundError:
        raise MissingKey from None
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # Neither the parser's message nor the error is passed on: both quote lines of the file.
        raise AccessError(
            f"{credentials_file} can't be read ({type(error).__name__})",
            action="Mend it, or set DASHSCOPE_API_KEY.",
        ) from None
    found = parser.get(profile, "dashscope_api_key", fallback="").strip()
    if not found:
        raise MissingKey(
            f"{credentials_file} has no dashscope_api_key under [{profile}]",
            action=""
            if profile == "default"
            else (
                f"Set DASHSCOPE_API_KEY, or put dashscope_api_key under [{profile}] there, or name "
                "another section in ALIBABA_CLOUD_PROFILE, or add --sandbox to try without a key."
            ),
        )
    return found
