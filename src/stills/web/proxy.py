"""The proxy from the environment."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from stills.contract.addresses import is_this_machine


def find_proxy(url: str) -> str | None:
    """Return the proxy for a URL; None for a local URL.

    aiohttp's own trust_env would also replace the key with credentials from ~/.netrc.
    """
    parts = urlsplit(url)
    if is_this_machine(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxy = getproxies().get(parts.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
