"""The service's base URL, in the many forms that people copy."""

import re
from urllib.parse import urlsplit, urlunsplit

from stills.contract.addresses import is_this_machine
from stills.contract.errors import AccessError

DEFAULT_BASE_URL = "https://dashscope.aliyuncs.com/api/v1"

_API_PATH = "/api/v1"
_SERVICE_DOMAIN = ".aliyuncs.com"
_PLACEHOLDER = re.compile(r"[{}<>]|\[[^]]*[g-z][^]]*\]|workspace[-_]?id", re.IGNORECASE)
# What follows a gateway's own path: an API, with or without its version, and one of its endpoints.
_API = re.compile(
    r"/(?:api|compatible-mode)$"
    r"|/(?:(?:api|compatible-mode)/)?v1"
    r"(?:/(?:services|tasks|uploads|images|chat|models|embeddings)(?:/.*)?)?$"
)


def check_base_url(written: str) -> str:
    """Normalize a base URL to `…/api/v1`.

    It may be written as host root, `…/v1`, `…/compatible-mode/v1`, `…/api/v1` or a complete
    endpoint, with any number of slashes. A gateway's own path before that is kept.

    Raises:
        AccessError: it is not a URL, or would send the key unencrypted to another machine.
    """
    written = written.strip()
    if _PLACEHOLDER.search(written):
        raise AccessError(
            "DASHSCOPE_HTTP_BASE_URL still has a placeholder in it",
            action="Put your workspace's id in its place; the console of Model Studio shows it.",
        )
    try:
        parts = urlsplit(written)
        host = parts.hostname if parts.port != 0 else None  # an invalid port raises
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or parts.username is not None:
        raise AccessError(
            "DASHSCOPE_HTTP_BASE_URL is not an http(s) URL",
            action=f"Set it to something like {DEFAULT_BASE_URL}, or leave it out.",
        )
    if parts.scheme == "http" and not is_this_machine(host):
        raise AccessError(
            f"DASHSCOPE_HTTP_BASE_URL would send the key to {host} unencrypted",
            action="Use https.",
        )
    mount = "" if _is_of_the_service(host) else _mount(parts.path)
    return urlunsplit((parts.scheme, parts.netloc, mount + _API_PATH, "", ""))


def _is_of_the_service(host: str) -> bool:
    """Return whether a host is Alibaba Cloud's, whose API always has the same path."""
    return host.lower().removesuffix(".").endswith(_SERVICE_DOMAIN)


def _mount(path: str) -> str:
    """Return the path under which a gateway or a sandbox serves the API."""
    clean = "".join(f"/{part}" for part in path.split("/") if part)
    api = _API.search(clean)
    return clean if api is None else clean[: api.start()]
