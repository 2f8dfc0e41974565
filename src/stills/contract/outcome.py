"""What is known of a request before it is sent, and its outcome."""

from dataclasses import dataclass
from typing import Self

from stills.contract.errors import Billing, InvalidRequest, StillsError
from stills.contract.generation import CatalogMiss
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """A request with either its result or its error; `index` counts requests from 0."""

    index: int
    request: ImageRequest
    result: ImageResult | None = None
    error: StillsError | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of a request, as it is stored."""

    code: str
    message: str
    action: str
    retryable: bool
    billing: Billing
    request_id: str | None

    @classmethod
    def of(cls, error: StillsError) -> Self:
        """Copy the values of an error."""
        return cls(
            error.code,
            error.message,
            error.action,
            error.retryable,
            error.billing,
            error.request_id,
        )


@dataclass(frozen=True, slots=True)
class CatalogAnswer:
    """The answer of a look-up to a request.

    `result` is None if the request needs more than a look-up. `miss` is set if the catalog has no
    image for it, in any size; a request with a reference is not looked up.
    """

    result: ImageResult | None = None
    miss: CatalogMiss | None = None


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """Whether a request's image is stored already.

    If `is_kept`, answering the request sends nothing; `image_url` is then the URL of the object in
    the store, or None if it is only stored in another size. Requests with the same `key` get the
    same image. `price_usd` is what a new image of the request costs; None if unknown. `error` is
    set if the request can't be sent at all. `deleted_at` is when its image was deleted, in Unix
    seconds, if there was one and a new one would be billed again.
    """

    is_kept: bool = False
    image_url: str | None = None
    key: str = ""
    price_usd: float | None = None
    error: InvalidRequest | None = None
    deleted_at: float | None = None
