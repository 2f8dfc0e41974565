"""The network: proxies, certificates, and downloads of references."""

from stills.web.certificates import load_certificates
from stills.web.connector import explain_failure, make_connector
from stills.web.guarded_download import GuardedDownload
from stills.web.guarded_resolver import GuardedResolver, SystemResolver
from stills.web.owner_download import OwnerDownload
from stills.web.proxy import Proxy, check_proxies, find_proxy

__all__ = [
    "GuardedDownload",
    "GuardedResolver",
    "OwnerDownload",
    "Proxy",
    "SystemResolver",
    "check_proxies",
    "explain_failure",
    "find_proxy",
    "load_certificates",
    "make_connector",
]
