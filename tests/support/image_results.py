"""Made-up results of requests."""

from typing import Any

from stills.contract.result import ImageResult


def image_result(**changes: Any) -> ImageResult:
    """Make the result of a request that paid for an image in the sandbox, with any changes."""
    values = {
        "image_url": "file:///kite.png",
        "width": 512,
        "height": 512,
        "seed": 7,
        "id": "3f9a1c2b7d4e-512x512",
        "cached": False,
        "provider": "sandbox",
        "model": "qwen-image-max",
        "native_size": "1328*1328",
        "cost_usd": 0.075,
    }
    return ImageResult(**(values | changes))
