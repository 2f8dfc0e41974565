"""The first page: the search form, and one page of the images that match."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from stills.contract.generation import Image
from stills.contract.search import ImageLabels
from stills.gallery.copy_as import write_curl
from stills.gallery.document import Page, Visit, make_page
from stills.gallery.frame import format_day, render_frame
from stills.gallery.search_form import SearchForm

PAGE_IMAGES = 60

_EXAMPLE = {"prompt": "a red kite over a beach", "size": "16:9"}


@dataclass(frozen=True, slots=True)
class ImageListing:
    """One page of images, newest first, and what can be searched for.

    `newer` and `older` are the ids of the generations at its ends, if there are images beyond.
    `error` is why the search can't be made.
    """

    images: Sequence[Image]
    labels: ImageLabels
    newer: str | None = None
    older: str | None = None
    error: str | None = None


def render_list(
    listing: ImageListing, form: SearchForm, visit: Visit, *, base_url: str, needs_key: bool
) -> Page:
    """Return the page; `base_url` and `needs_key` are for the command of an empty gallery."""
    if listing.images:
        content = _strip(listing.images, form, visit) + _pages(listing, form)
    elif listing.error is not None:
        content = f'<p class="none" role="alert">{escape(listing.error)}</p>'
    elif form.is_empty and listing.newer is None and listing.older is None:
        content = _welcome(write_curl(base_url, _EXAMPLE, needs_key=needs_key))
    else:
        content = (
            f'<p class="none">No image matches. <a href="{visit.root}">Show all images</a></p>'
        )
    main = f'<main><h1 class="unseen">Stored images</h1>{content}</main>'
    return make_page(form.q, f"{_form(form, listing.labels, visit)}\n{main}", visit, kind="list")


def _form(form: SearchForm, labels: ImageLabels, visit: Visit) -> str:
    clear = "" if form.is_empty else f'<a class="clear" href="{visit.root}">Clear</a>'
    is_open = " open" if form.style or form.after or form.until else ""
    return f"""<search class="bar">
<form action="{visit.root}" id="search">
<input name="q" type="search" value="{escape(form.q)}" placeholder="Words of the prompt" aria-label="Words of the prompt" aria-keyshortcuts="/" autocomplete="off" dir="auto">
{_select("model", form.model, labels.models, "All models")}
<details class="more"{is_open}><summary>More</summary><div>
{_select("style", form.style, labels.styles, "All styles")}
<label>From <input name="after" type="date" value="{escape(form.after)}"></label>
<label>to <input name="until" type="date" value="{escape(form.until)}"></label>
</div></details>
<button>Search</button>
{clear}
</form>
</search>"""  # noqa: E501 - HTML


def _select(name: str, chosen: str, values: Sequence[str], every: str) -> str:
    listed = values if not chosen or chosen in values else [chosen, *values]
    options = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>'
        f"{escape(_shorten(value))}</option>"
        for value in listed
    )
    return (
        f'<select name="{name}" aria-label="{name.capitalize()}">'
        f'<option value="">{every}</option>{options}</select>'
    )


def _strip(images: Sequence[Image], form: SearchForm, visit: Visit) -> str:
    frames = "".join(_item(image, form, visit) for image in images)
    return f'<ol class="strip" id="images">\n{frames}</ol>'


def _item(image: Image, form: SearchForm, visit: Visit) -> str:
    spec = image.generation.spec
    return (
        f'<li class="still">{render_frame(image, visit, query=form.query())}'
        f'<div class="slate"><p class="prompt" dir="auto">{escape(spec.prompt)}</p>'
        f'<p class="facts"><span>{image.rendition.size}</span>'
        f"<span>{escape(spec.model)}</span>{format_day(image.generation.created_at)}</p></div>"
        "</li>\n"
    )


def _pages(listing: ImageListing, form: SearchForm) -> str:
    links = ""
    if listing.newer is not None:
        links += (
            f'<a href="./{escape(form.query())}">⇤ Newest</a>'
            f'<a rel="prev" href="./{escape(form.query(newer=listing.newer))}">← Newer</a>'
        )
    if listing.older is not None:
        links += f'<a rel="next" href="./{escape(form.query(older=listing.older))}">Older →</a>'
    return f'<nav class="pages" aria-label="Pages">{links}</nav>' if links else ""


def _welcome(command: str) -> str:
    return f"""<div class="welcome">
<div class="frame" aria-hidden="true"><div class="picture"><span>no images yet</span></div></div>
<h2>Generate the first image</h2>
<p>Run this in a terminal, then load this page again:</p>
<div class="code"><pre id="first"><code>{escape(command)}</code></pre><button type="button" data-copy="first">Copy</button></div>
</div>"""  # noqa: E501 - HTML


def _shorten(label: str) -> str:
    most = 60
    return label if len(label) <= most else f"{label[: most - 1]}…"
