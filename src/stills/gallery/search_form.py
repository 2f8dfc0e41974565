"""What a visitor searches for, as in the address of a page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Self
from urllib.parse import urlencode

from stills.contract.errors import InvalidRequest
from stills.contract.search import ImageSearch

_WORDS_MAX = 16
_FIELD_MAX_CHARACTERS = 800


@dataclass(frozen=True, slots=True)
class SearchForm:
    """The fields of the search form, as they were written; empty ones match every image.

    `after` and `until` are the first and the last day, in UTC.
    """

    q: str = ""
    model: str = ""
    style: str = ""
    after: str = ""
    until: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        """Read the fields from the query of an address; others are ignored."""
        given = {one.name: query.get(one.name, "").strip() for one in fields(cls)}
        return cls(**{name: text[:_FIELD_MAX_CHARACTERS] for name, text in given.items()})

    @property
    def is_empty(self) -> bool:
        """Whether every image matches."""
        return self == SearchForm()

    def search(self) -> ImageSearch:
        """Return the search.

        Raises:
            InvalidRequest: a day is not a date.
        """
        until = _read_day("until", self.until)
        return ImageSearch(
            words=tuple(self.q.split()[:_WORDS_MAX]),
            model=self.model or None,
            style=self.style or None,
            since=_start(_read_day("after", self.after)),
            before=_start(until and until + timedelta(days=1)),
            largest_only=True,
        )

    def query(self, **more: str) -> str:
        """Return the query of an address with these fields, and `more`; empty without any."""
        given = {one.name: getattr(self, one.name) for one in fields(self)} | more
        return _as_query(given.items())

    def only(self, **given: str) -> str:
        """Return the query of a search by nothing but these fields."""
        return replace(SearchForm(), **given).query()


def _as_query(pairs: Iterable[tuple[str, str]]) -> str:
    query = urlencode([(name, value) for name, value in pairs if value])
    return f"?{query}" if query else ""


def _read_day(name: str, written: str) -> date | None:
    if not written:
        return None
    try:
        day = date.fromisoformat(written)
        datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"{written[:40]!r} is not a date", field=name, action="Write it as 2026-12-31."
        ) from None
    return day


def _start(day: date | None) -> float | None:
    """Return when a day begins, in Unix seconds."""
    if day is None:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
