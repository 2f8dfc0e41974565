"""Classify addresses: this machine's, open to the internet, or never to be fetched.

All code that decides about addresses uses this module. Sources: the IANA special-purpose address
registries for IPv4 and IPv6, read through `ipaddress`, which is incomplete in older Pythons; the
metadata addresses of the cloud providers' own documentation.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_LOCAL_NAMES = (".localhost", ".local", ".internal")

_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv6-only network reaches all of IPv4 through it
_ISATAP = {0x0000_5EFE, 0x0200_5EFE}  # the bits before the IPv4 address that it ends in
_IPV6_IN_USE = IPv6Network("2000::/3")

_IPV4_CLOSED = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata is 192.0.0.192
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv4Network("100.64.0.0/10"),  # carriers' networks; Alibaba's metadata is 100.100.100.200
    IPv4Network("168.63.129.16/32"),  # Azure's metadata, a public address by its number
)
_IPV6_CLOSED = (
    IPv6Network("2001::/23"),  # protocol assignments; Teredo, which wraps IPv4, is one
    IPv6Network("2002::/16"),  # 6to4, which wraps IPv4
    IPv6Network("3fff::/20"),  # documentation
)
_METADATA = frozenset(
    ip_address(written)
    for written in (
        "169.254.169.254",  # Amazon, Google, Azure and others
        "169.254.170.2",  # Amazon's containers
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
    )
)


def is_this_machine(host: str) -> bool:
    """Return whether a host, as a URL or a socket names it, is always this machine."""
    host = host.lower().removesuffix(".")
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    wrapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (wrapped or address).is_loopback


def may_be_public(host: str) -> bool:
    """Return whether a host can be open to the internet; a name must still be resolved.

    An address in an unusual notation, such as `127.1`, `0x7f.1` or full-width digits, can't be:
    programs disagree on its meaning.
    """
    host = host.lower().removesuffix(".")
    if not host.isascii() or host == "localhost" or host.endswith(_LOCAL_NAMES):
        return False
    return is_public_address(host) if _is_number(host) else bool(host)


def is_public_address(written: str) -> bool:
    """Return whether text is an IP address that is globally reachable."""
    try:
        address = ip_address(written)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_v4(address)
    if address.scope_id is not None:
        return False
    wrapped = _unwrap(address)
    if wrapped is not None and not _is_public_v4(wrapped):
        return False
    return address in _NAT64 or address.ipv4_mapped is not None or _is_public_v6(address)


def is_metadata_address(written: str) -> bool:
    """Return whether an IP address serves the credentials of a cloud machine."""
    try:
        address = ip_address(written)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        return (_unwrap(address) or IPv6Address(int(address))) in _METADATA
    return address in _METADATA


def _is_number(host: str) -> bool:
    """Return whether some programs read a host as an address: 10.1, 0x7f.1, 2130706433."""
    last = host.rpartition(".")[2]
    return ":" in host or re.fullmatch(r"\d+|0x[0-9a-f]*", last) is not None


def _unwrap(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address inside an IPv6 address, if there is one."""
    for wrapped in (address.ipv4_mapped, address.sixtofour, (address.teredo or (None, None))[1]):
        if wrapped is not None:
            return wrapped
    last = int(address) & 0xFFFF_FFFF
    is_compatible = int(address) >> 32 == 0
    if address in _NAT64 or is_compatible or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(last)
    return None


def _is_public_v4(address: IPv4Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in _IPV4_CLOSED)
    )


def _is_public_v6(address: IPv6Address) -> bool:
    return (
        address.is_global
        and address in _IPV6_IN_USE
        and not any(address in network for network in _IPV6_CLOSED)
    )
