"""Errors as statuses: the table is complete, and what nobody foresaw is told without details."""

from collections.abc import Iterator

import aiohttp
import pytest

from stills.app import Stills
from stills.contract import errors
from stills.http.errors import error_answer, status_of


def branches(kind: type[errors.StillsError]) -> Iterator[type[errors.StillsError]]:
    yield kind
    for leaf in kind.__subclasses__():
        yield from branches(leaf)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in branches(errors.StillsError) if kind.__module__ == errors.__name__],
    ids=lambda kind: kind.code,
)
def test_every_error_has_a_status_and_waits_when_it_is_429(kind: type[errors.StillsError]):
    """No error of the tree is left to chance."""
    error = kind()
    answer = error_answer(error)
    assert answer.status_code == status_of(error) >= 400
    assert ("retry-after" in answer.headers) == (answer.status_code == 429)
    assert kind.code.encode() in answer.body


async def test_what_nobody_foresaw_is_told_without_details(
    serve, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, caplog
):
    """A defect of ours gives a 500 in the usual shape, and no path in the log."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/srv/secret/path")

    url = await serve()
    monkeypatch.setattr(Stills, "search_images", fail)
    async with http.get(f"{url}/v1/images") as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["code"] == "error"
        assert "secret" not in await answer.text()
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told
    assert all("secret" not in line for line in told)
    assert all(record.exc_info is None for record in caplog.records if record.levelno >= 30)
