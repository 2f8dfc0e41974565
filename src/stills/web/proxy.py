"""Proxies from the environment: which one a URL needs."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from stills.contract.addresses import is_this_machine
from stills.contract.errors import ConfigError

_HTTP = frozenset({"http", "https"})
_SOCKS = frozenset({"socks5", "socks5h"})
_VARIABLES = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "all": "ALL_PROXY"}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. Its `url` may have a password in it; `shown` is its address for people."""

    url: str = field(repr=False)
    shown: str

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS 5."""
        return urlsplit(self.url).scheme in _SOCKS

    @property
    def http_url(self) -> str | None:
        """The URL that aiohttp takes for a request; None if the connector goes through SOCKS."""
        return None if self.is_socks else self.url


def find_proxy(url: str) -> Proxy | None:
    """Return the proxy for a URL; None for a local URL, or one that NO_PROXY lists.

    aiohttp's own trust_env would also replace the key with credentials from ~/.netrc.

    Raises:
        ConfigError: the proxy can't be used.
    """
    parts = urlsplit(url)
    if is_this_machine(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    kind = parts.scheme if proxies.get(parts.scheme) else "all"
    written = proxies.get(kind)
    return _read(written, _VARIABLES.get(kind, kind)) if written else None


def check_proxies() -> None:
    """Check every proxy of the environment, before anything is sent through one of them.

    Raises:
        ConfigError: one of them can't be used.
    """
    proxies = getproxies()
    for kind, variable in _VARIABLES.items():
        if proxies.get(kind):
            _read(proxies[kind], variable)


def _read(written: str, variable: str) -> Proxy:
    url = written if "://" in written else f"http://{written}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ConfigError(
            f"the proxy in {variable} is not a URL",
            field=variable,
            action="Set it to something like http://proxy.example:3128. Nothing was sent.",
        )
    where = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{where}" + ("" if port is None else f":{port}")
    if parts.scheme not in _HTTP | _SOCKS:
        raise ConfigError(
            f"the proxy {shown} in {variable} has an unknown scheme",
            field=variable,
            action="Use http, https, socks5 or socks5h. Nothing was sent.",
        )
    if parts.scheme in _SOCKS:
        _check_socks(shown, variable)
    return Proxy(url, shown)


def _check_socks(shown: str, variable: str) -> None:
    from importlib.util import find_spec  # noqa: PLC0415 - only with such a proxy

    if find_spec("aiohttp_socks") is None:
        raise ConfigError(
            f"the proxy {shown} in {variable} needs an extra package",
            field=variable,
            action="Run pip install 'stills[socks]'. Nothing was sent.",
        )
