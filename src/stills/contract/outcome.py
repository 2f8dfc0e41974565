"""What is known of one request among many: before it is asked, and after."""

from dataclasses import dataclass

from stills.contract.errors import InvalidRequest, StillsError
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """A request with its result or its error, one of the two; `index` counts requests from 0."""

    index: int
    request: ImageRequest
    result: ImageResult | None = None
    error: StillsError | None = None


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """Where a request stands before it is asked.

    `is_kept` means that answering it sends nothing; `image_url` is where it opens, None if it is
    kept in another size. Requests with the same `key` get the same image. `error` says why it can't
    be asked at all.
    """

    is_kept: bool = False
    image_url: str | None = None
    key: str = ""
    error: InvalidRequest | None = None
