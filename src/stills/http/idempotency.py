"""Idempotency-Key: the same key and body get the first answer again, from any worker."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from time import time

from starlette.requests import Request

from stills.app import Stills
from stills.contract.errors import InvalidRequest
from stills.contract.result import ImageResult
from stills.http.auth import get_budget_owner

HEADER = "Idempotency-Key"
_KEY_MAX_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class IdempotentResult:
    """Results and the time of the first answer with them, in Unix seconds.

    `own_results` are those that this very request produced, for its log line; empty if it repeats
    an earlier answer.
    """

    results: Sequence[ImageResult]
    created: float
    own_results: Sequence[ImageResult] = ()


class KeyReused(InvalidRequest):
    """The Idempotency-Key was used with another body."""

    default_action = "Use a new key for a new request; nothing was sent."


async def answer_once(
    stills: Stills,
    request: Request,
    content: bytes,
    work: Callable[[str | None], Awaitable[Sequence[ImageResult]]],
) -> IdempotentResult:
    """Do `work`, or return what it returned first for this key and `content`.

    Only images are remembered: after an error, the same key and body try again. `work` gets a
    `fresh_key`, None without an Idempotency-Key: with it, a repetition does not pay again for new
    images that the first request is waiting for, or got before it failed.

    Raises:
        KeyReused: the key was used with other content.
        StillsError: see stills.contract.errors.
    """
    key = read_key(request)
    if key is None:
        results = await work(None)
        return IdempotentResult(results, time(), results)
    payer = get_budget_owner(request)
    owner = payer.name if payer else ""
    digest = hashlib.sha256(request.url.path.encode() + b"\0" + content).hexdigest()
    record = await stills.idempotency.begin(owner, key, digest)
    if record.digest != digest:
        raise KeyReused(field=HEADER)
    if record.answer is not None:
        earlier = _read(record.answer)
        return replace(earlier, results=await stills.images.renew_links(earlier.results))
    results = await work(_fresh_key(owner, key, record.begun_at))
    own = IdempotentResult(results, time())
    first = _read(await stills.idempotency.finish(owner, key, _write(own)))
    return replace(first, own_results=results)


def _fresh_key(owner: str, key: str, begun_at: float) -> str:
    # The key may be used for another request once it is forgotten, so its time counts too.
    return hashlib.sha256(json.dumps([owner, key, begun_at]).encode()).hexdigest()


def read_key(request: Request) -> str | None:
    """Return the request's Idempotency-Key, if it has one.

    Raises:
        InvalidRequest: it is empty or too long.
    """
    key = request.headers.get(HEADER)
    if key is not None and (not 1 <= len(key) <= _KEY_MAX_CHARACTERS or not key.isprintable()):
        raise InvalidRequest(
            f"{HEADER} is empty or too long",
            field=HEADER,
            action=f"Use 1 to {_KEY_MAX_CHARACTERS} printable characters.",
        )
    return key


def _write(result: IdempotentResult) -> str:
    results = [one.lasting_fields() for one in result.results]
    return json.dumps({"created": result.created, "results": results})


def _read(text: str) -> IdempotentResult:
    read = json.loads(text)
    results = [ImageResult(**{**one, "notes": tuple(one["notes"])}) for one in read["results"]]
    return IdempotentResult(results, read["created"])
