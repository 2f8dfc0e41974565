"""Idempotency-Key: the same key and body gives the first answer, whatever worker is asked."""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace

from starlette.requests import Request

from stills.app import Stills
from stills.contract.errors import InvalidRequest
from stills.contract.result import ImageResult
from stills.http.middleware import get_budget_owner

HEADER = "Idempotency-Key"
_KEY_MAX_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class IdempotentResult:
    """Results and when they were first given, in Unix seconds.

    `asked` is what this very request got, for its log line; nothing if it was answered before.
    """

    results: Sequence[ImageResult]
    created: float
    asked: Sequence[ImageResult] = ()


class KeyReused(InvalidRequest):
    """The Idempotency-Key was used with another body."""

    default_action = "Use a new key for a new request; nothing was sent."


async def answer_once(
    stills: Stills,
    request: Request,
    content: bytes,
    work: Callable[[], Awaitable[Sequence[ImageResult]]],
) -> IdempotentResult:
    """Do `work`, or give what it gave when it was first asked with this key and `content`.

    Only images are remembered: after an error, the same key and body tries again.

    Raises:
        KeyReused: the key came with other content before.
        StillsError: see stills.contract.errors.
    """
    key = request.headers.get(HEADER)
    if key is None:
        results = await work()
        return IdempotentResult(results, time.time(), results)
    if not 1 <= len(key) <= _KEY_MAX_CHARACTERS or not key.isprintable():
        raise InvalidRequest(
            f"{HEADER} is empty or too long",
            field=HEADER,
            action=f"Give 1 to {_KEY_MAX_CHARACTERS} characters.",
        )
    payer = get_budget_owner(request)
    owner = payer.name if payer else ""
    digest = hashlib.sha256(request.url.path.encode() + b"\0" + content).hexdigest()
    begun = await stills.idempotency.begin(owner, key, digest)
    if begun.digest != digest:
        raise KeyReused(field=HEADER)
    if begun.answer is not None:
        return _read(begun.answer)
    results = await work()
    mine = IdempotentResult(results, time.time())
    first = _read(await stills.idempotency.finish(owner, key, _write(mine)))
    return replace(first, asked=results)


def _write(answered: IdempotentResult) -> str:
    results = [asdict(result) for result in answered.results]
    return json.dumps({"created": answered.created, "results": results})


def _read(written: str) -> IdempotentResult:
    read = json.loads(written)
    results = [ImageResult(**{**one, "notes": tuple(one["notes"])}) for one in read["results"]]
    return IdempotentResult(results, read["created"])
