"""The providers of images, as data: no other code recognises one by its name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """A provider. `is_paid`: its images cost money, and its models have published rate limits."""

    name: str
    is_paid: bool


DASHSCOPE = ProviderInfo("dashscope", is_paid=True)
SANDBOX = ProviderInfo("sandbox", is_paid=False)
NO_PROVIDER = ProviderInfo("none", is_paid=False)
"""Stands in where there is no API key."""

_PROVIDERS = {info.name: info for info in (DASHSCOPE, SANDBOX, NO_PROVIDER)}


def is_paid(name: str) -> bool:
    """Return whether a provider's images cost money; an unknown provider's are assumed to."""
    info = _PROVIDERS.get(name)
    return info is None or info.is_paid
