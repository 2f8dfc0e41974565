"""A small picture of an image on a strip of film, which links to its page."""

from datetime import UTC, datetime
from html import escape

from stills.contract.generation import Image
from stills.gallery.document import Visit

_ALT_MAX_CHARACTERS = 300


def render_frame(
    image: Image, visit: Visit, *, query: str = "", is_take: bool = False, is_current: bool = False
) -> str:
    """Return the frame of an image as HTML; `query` is added to the address of its page.

    Takes have the same prompt, so the name of one begins with its seed.
    """
    rendition, spec = image.rendition, image.generation.spec
    name = f"Seed {spec.seed}: {spec.prompt}" if is_take else spec.prompt
    address = f"{visit.root}gallery/{rendition.id}"
    current = ' aria-current="true"' if is_current else ""
    return (
        f'<a class="frame" href="{address}{escape(query)}"{current}><div class="picture">'
        f'<img src="{address}/thumbnail.jpg" alt="{escape(name[:_ALT_MAX_CHARACTERS])}" '
        f'width="{rendition.size.width}" height="{rendition.size.height}" loading="lazy" '
        'decoding="async"></div><span class="edge" aria-hidden="true">'
        f"<span>{rendition.id[:6]}</span><span>▸ {spec.seed}</span></span></a>"
    )


def format_day(seconds: float) -> str:
    """Return a day in UTC as an element, from a Unix time."""
    time = datetime.fromtimestamp(seconds, UTC)
    return f'<time datetime="{time:%Y-%m-%dT%H:%M:%SZ}">{time.day} {time:%b %Y}</time>'


def format_time(seconds: float) -> str:
    """Return a time in UTC as an element, from a Unix time."""
    time = datetime.fromtimestamp(seconds, UTC)
    return f'<time datetime="{time:%Y-%m-%dT%H:%M:%SZ}">{time.day} {time:%b %Y, %H:%M} UTC</time>'
