"""Classification of addresses."""

import pytest

from stills.contract.addresses import (
    is_metadata_address,
    is_public_address,
    is_this_machine,
    may_be_public,
)

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:100.100.100.200",
    "::ffff:0:10.0.0.1",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
NO_ADDRESS = ["", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "127.0.0.1.", "example.com"]


@pytest.mark.parametrize("written", PRIVATE + NO_ADDRESS)
def test_an_address_that_the_internet_cannot_reach_is_not_public(written):
    """Private, local, metadata, reserved, multicast, also inside IPv6; and unusual notations."""
    assert not is_public_address(written)


@pytest.mark.parametrize(
    "written",
    ["8.8.8.8", "47.74.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_a_reachable_address_is_public(written):
    """So is an IPv4 address in the form of an IPv6-only network."""
    assert is_public_address(written)


ODD_SPELLINGS = [
    "127.1",
    "2130706433",
    "0x7f.1",
    "0x7F000001",
    "0177.0.0.1",
    "①②⑦.0.0.1",
    "１２７.0.0.1",
    "8.8.8.８",
    "[::1]",
    "8.8.2056",
]


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "printer.local",
        "metadata.internal",
    ],
)
def test_a_local_name_is_not_on_the_internet(host):
    """No name server is asked."""
    assert not may_be_public(host)


@pytest.mark.parametrize("host", [*PRIVATE, *ODD_SPELLINGS])
def test_a_private_address_or_unusual_notation_is_not_on_the_internet(host):
    """Programs disagree on unusual notations, also of public addresses."""
    assert not may_be_public(host)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "8.8.8.8.", "2606:4700::1111", "images.example", "IMAGES.EXAMPLE.", "x1.2a"]
)
def test_a_name_or_a_public_address_may_be_on_the_internet(host):
    """A name must still be resolved."""
    assert may_be_public(host)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost.example", False),
        ("a.localhost", False),
        ("127.1", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_this_machine_is_distinguished_from_others(host, ours):
    """Only localhost and full loopback addresses are this machine."""
    assert is_this_machine(host) is ours


@pytest.mark.parametrize(
    ("written", "is_metadata"),
    [
        ("169.254.169.254", True),
        ("100.100.100.200", True),
        ("192.0.0.192", True),
        ("168.63.129.16", True),
        ("fd00:ec2::254", True),
        ("fd00:ec2::254%eth0", True),
        ("::ffff:169.254.169.254", True),
        ("::a9fe:a9fe", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("2002:a9fe:a9fe::1", True),
        ("2606:4700::5efe:169.254.169.254", True),
        ("169.254.169.253", False),
        ("10.0.0.1", False),
        ("fd00::1", False),
        ("images.example", False),
    ],
)
def test_an_address_that_serves_cloud_credentials_is_recognized(written, is_metadata):
    """Also inside IPv6 addresses."""
    assert is_metadata_address(written) is is_metadata
