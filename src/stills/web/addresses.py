"""Which IP addresses anyone on the internet could reach, and so could be fetched for a stranger.

Sources: the IANA special-purpose address registries for IPv4 and IPv6, read through `ipaddress`;
what that leaves open in the older Pythons that we support is written here.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv6-only network reaches all of IPv4 through it
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


def is_public(written: str) -> bool:
    """Tell whether an address is globally reachable; what is no plain address is not."""
    try:
        address = ip_address(written)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_v4(address)
    if address.scope_id is not None:
        return False
    wrapped = _unwrap(address)
    return _is_public_v6(address) if wrapped is None else _is_public_v4(wrapped)


def _unwrap(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


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
