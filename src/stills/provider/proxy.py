"""The proxy that the environment names."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from stills.contract.addresses import is_this_machine


def find_proxy(url: str) -> str | None:
    """Find the proxy for a URL; none for this machine.

    aiohttp's own trust_env would also put what ~/.netrc says into the requests, in place of the
    key.
    """
    parts = urlsplit(url)
    if is_this_machine(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxy = getproxies().get(parts.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
