"""A page as a whole: its frame, its style and its script.

It needs no other file. Its security policy allows only its own style and script, by their hashes.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

_STYLES = (("stills.review.page", "film.css"), ("stills.gallery", "gallery.css"))


@dataclass(frozen=True, slots=True)
class Page:
    """A page as bytes, and its security policy for the header of its answer."""

    content: bytes
    policy: str


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at a page, and from where.

    `root` is the relative address of the gallery's first page, such as `../`. `key_name` is the
    name of the visitor's API key, None without one. `reviews` are the names of folders under
    review.
    """

    root: str
    key_name: str | None = None
    reviews: Sequence[str] = ()


def make_page(title: str, content: str, visit: Visit, *, kind: str, retries: bool = False) -> Page:
    """Return a page; `content` is HTML. `retries` loads it again at once."""
    style = "".join(_read(package, name) for package, name in _STYLES)
    script = _read("stills.gallery", "gallery.js")
    page = Template(_read("stills.gallery", "page.html")).substitute(
        title=escape(f"{title} · Stills" if title else "Stills"),
        kind=kind,
        style=style,
        script=script,
        refresh='<meta http-equiv="refresh" content="0">' if retries else "",
        root=visit.root,
        navigation=_navigation(visit),
        content=content,
    )
    return Page(page.encode("utf-8", "replace"), _make_policy(style, script))


def as_sentence(text: str) -> str:
    """Return an error's text as a sentence for people."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def _navigation(visit: Visit) -> str:
    links = "".join(
        f'<a href="{visit.root}review/{quote(name)}/">Review {escape(name)}</a>'
        for name in visit.reviews
    )
    links += f'<a href="{visit.root}docs">API</a>'
    if visit.key_name is None:
        return f'<nav aria-label="Service">{links}</nav>'
    return (
        f'<nav aria-label="Service">{links}'
        f'<form method="post" action="{visit.root}logout">'
        f'<button title="Logged in with the key {escape(visit.key_name)}">Log out</button></form>'
        "</nav>"
    )


@cache
def _read(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


@cache
def _make_policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        f"img-src 'self' data:; style-src {_hash(style)}; script-src {_hash(script)}"
    )


def _hash(inline: str) -> str:
    return f"'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'"
