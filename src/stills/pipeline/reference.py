"""One reference image of a request."""

from dataclasses import dataclass

from stills.contract.size import Size


@dataclass(frozen=True, slots=True)
class Reference:
    """A verified reference image.

    `url` is a data URL. `digest` is the SHA-256 of the original bytes, whatever was made of them
    to be sent. `shown` is for people, without query, credentials or bytes. `size` is that of the
    original, upright, and `notes` say what was changed.
    """

    url: str
    digest: str
    shown: str
    size: Size
    notes: tuple[str, ...] = ()
