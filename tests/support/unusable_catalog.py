"""Uses a catalog in Postgres that can't be used, and checks that no password is shown."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stills.catalog.postgres import PostgresCatalog
from stills.contract.errors import CatalogError
from stills.contract.postgres_url import PostgresUrl

SECRET = "topsecret"


class Log(logging.Handler):
    """Everything that is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def logged() -> Iterator[Log]:
    """Log everything, of the driver too."""
    log, root = Log(), logging.getLogger()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    yield log
    root.setLevel(level)
    root.removeHandler(log)


async def refused(url: PostgresUrl) -> CatalogError:
    """Use a catalog, and return the error, which is one line.

    No password is in it, in its traceback or in a log.
    """
    catalog = PostgresCatalog(url)
    with logged() as log, pytest.raises(CatalogError) as caught:
        await catalog.list_images(limit=1)
    await catalog.close()
    error = caught.value
    assert "\n" not in f"{error} {error.action}"
    shown = [*log.lines, *traceback.format_exception(error), error.action, repr(catalog), repr(url)]
    for word in (SECRET, "owner-secret"):
        assert word not in "\n".join(shown)
    return error


def database_of(url: PostgresUrl) -> str:
    return url.secret.partition("?")[0].rpartition("/")[2]
