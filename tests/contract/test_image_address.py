"""Addresses of stored images: which are recognised, and which are not."""

import pytest

from stills.contract.image_address import read_image_address

ID = "3f9a1c2b7d4e-1024x1024"
PUBLIC = "https://stills.example.com/film"


@pytest.mark.parametrize(
    "address",
    [
        ID,
        f"stills://images/{ID}",
        f"STILLS://images/{ID}",
        f"{PUBLIC}/images/{ID}.png",
        f"{PUBLIC}/images/{ID}.png?download=1",
        f"http://127.0.0.1:8000/images/{ID}.png",
        f"http://localhost:8000/images/{ID}.png",
        f"http://[::1]:8000/images/{ID}.png",
        f"https://localhost/images/{ID}.png",
    ],
)
def test_our_addresses_have_an_id(address):
    """They are the id, the URI, and the URLs under which `stills serve` answers."""
    assert read_image_address(address, PUBLIC) == ID


@pytest.mark.parametrize(
    "address",
    [
        "portraits/anna.png",
        "3f9a1c2b7d4e",
        "3f9a1c2b7d4e-1024x1024.png",
        "3f9a1c2b7d4e-0x1024",
        f"./{ID}",
        f"file:///tmp/{ID}.png",
        f"https://stills.example.com/images/{ID}.png",
        f"https://stills.example.com.evil.example/film/images/{ID}.png",
        f"https://evil.example/film/images/{ID}.png",
        f"http://127.0.0.1.evil.example/images/{ID}.png",
        f"http://127.0.0.1:8000/other/images/{ID}.png",
        "http://127.0.0.1:8000/images/anna.png",
        f"http://[::1/images/{ID}.png",
        "data:image/png;base64,AAAA",
    ],
)
def test_other_addresses_have_none(address):
    """They are downloaded, read as a path, or refused."""
    assert read_image_address(address, PUBLIC) is None


def test_a_uri_may_have_any_id():
    """An unknown one is an error, not a path."""
    assert read_image_address("stills://images/anna") == "anna"
