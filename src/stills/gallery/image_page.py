"""The page of one image: the picture, what is known of it, and what can be done with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from stills.contract.errors import Billing
from stills.contract.generation import Image, ReferenceRecord, Send
from stills.contract.image_address import URI_PREFIX, is_image_id
from stills.contract.image_kinds import ImageKind
from stills.contract.money import format_usd
from stills.contract.providers import is_paid
from stills.gallery.copy_as import CopiedRequest
from stills.gallery.document import Page, Visit, make_page
from stills.gallery.frame import format_time, render_frame
from stills.gallery.search_form import SearchForm

FORMATS = {"png": ImageKind.PNG, "jpeg": ImageKind.JPEG, "webp": ImageKind.WEBP}

_TITLE_MAX_CHARACTERS = 80
_LONG_PROMPT_CHARACTERS = 160
_COUNTED = {Billing.BILLED: "billed", Billing.POSSIBLE: "possibly billed", Billing.NONE: "free"}
_SIZES = ("1920x1080", "1280x720", "1080x1920", "1080x1080", "3840x2160")


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image, and everything that its page shows.

    `sends` are the calls that paid for it, `sizes` the image in all stored sizes, and `takes` the
    images of the same request with all seeds. `newer` and `older` are its neighbours.
    """

    image: Image
    sends: Sequence[Send]
    sizes: Sequence[Image]
    takes: Sequence[Image]
    newer: Image | None
    older: Image | None
    copied: CopiedRequest


def render_image(shown: ShownImage, form: SearchForm, visit: Visit) -> Page:
    """Return the page."""
    image = shown.image
    rendition, prompt = image.rendition, image.generation.spec.prompt
    file = f"{visit.root}images/{rendition.id}.png"
    long = " long" if len(prompt) > _LONG_PROMPT_CHARACTERS else ""
    content = f"""{_path(shown, form, visit)}
<main class="image">
<div class="sight">
<a class="frame large" href="{file}" target="_blank" aria-label="Open the PNG"><div class="picture"><img src="{file}" alt="{escape(prompt)}" width="{rendition.size.width}" height="{rendition.size.height}"></div><span class="edge" aria-hidden="true"><span>{rendition.id}</span><span>▸ {image.generation.spec.seed}</span></span></a>
{_takes(shown, form, visit)}
</div>
<div class="about">
<h1 class="prompt{long}" dir="auto">{escape(prompt)}</h1>
{_facts(shown, form, visit)}
{_references(image.generation.spec.references, visit)}
{_download(shown, visit)}
{_copies(shown.copied)}
</div>
</main>"""  # noqa: E501 - HTML
    title = prompt if len(prompt) <= _TITLE_MAX_CHARACTERS else f"{prompt[:_TITLE_MAX_CHARACTERS]}…"
    return make_page(title, content, visit, kind="one")


def _path(shown: ShownImage, form: SearchForm, visit: Visit) -> str:
    query = escape(form.query())
    newer, older = (
        f'<a rel="{rel}" href="{visit.root}gallery/{image.rendition.id}{query}" '
        f'aria-keyshortcuts="{key}">{name}</a>'
        if image is not None
        else f'<span aria-hidden="true">{name}</span>'
        for image, rel, key, name in (
            (shown.newer, "prev", "ArrowLeft", "← Newer"),
            (shown.older, "next", "ArrowRight", "Older →"),
        )
    )
    where = "All images" if form.is_empty else "Search results"
    return (
        f'<nav class="path bar" aria-label="Images"><a href="{visit.root}{query}" rel="up" '
        f'aria-keyshortcuts="Escape">↑ {where}</a><span class="tools">{newer}{older}</span></nav>'
    )


def _takes(shown: ShownImage, form: SearchForm, visit: Visit) -> str:
    if len(shown.takes) < 2:  # noqa: PLR2004 - the image itself
        return ""
    image, query = shown.image, form.query()
    frames = "".join(
        f"<li>{render_frame(take, visit, query=query, is_take=True, is_current=take == image)}</li>"
        for take in shown.takes
    )
    return f'<section><h2>Takes</h2><ol class="strip takes">{frames}</ol></section>'


def _facts(shown: ShownImage, form: SearchForm, visit: Visit) -> str:
    image, generation = shown.image, shown.image.generation
    spec, rendition = generation.spec, image.rendition
    extension = spec.prompt_extend_mode if spec.prompt_extend else "off"
    facts = {
        "Negative prompt": _text(spec.negative_prompt),
        "Style": _search_link(visit, spec.style, form.only(style=spec.style or "")),
        "Model": _search_link(visit, spec.model, form.only(model=spec.model))
        + ("" if is_paid(spec.provider) else ' <span class="tag">sandbox</span>'),
        "Seed": str(spec.seed),
        "Size": f"{rendition.size}, {_bytes(rendition.byte_count)}",
        "Made at": "" if rendition.size == spec.native_size else str(spec.native_size),
        "Sizes stored": _sizes(shown.sizes, rendition.id, form, visit),
        "Prompt rewriting": escape(extension or ""),
        "Thinking": {None: "", True: "on", False: "off"}[spec.enable_thinking],
        "Generated": format_time(generation.created_at),
        "Cost": _cost(spec.price_usd, simulated=not is_paid(spec.provider)),
        "API calls": escape(_count_calls(shown.sends)),
        "Paid by": _payer(shown.sends, visit),
        "Image id": f"<code>{rendition.id}</code>",
        "SHA-256": f"<code>{escape(rendition.sha256)}</code>",
        "Notes": escape(" ".join(generation.notes)),
    }
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items() if value
    )
    return f'<dl class="facts">{rows}</dl>'


def _text(text: str | None) -> str:
    return "" if text is None else f'<span dir="auto">{escape(text)}</span>'


def _search_link(visit: Visit, text: str | None, query: str) -> str:
    return (
        ""
        if text is None
        else f'<a href="{visit.root}{escape(query)}" dir="auto">{escape(text)}</a>'
    )


def _sizes(sizes: Sequence[Image], own_id: str, form: SearchForm, visit: Visit) -> str:
    if len(sizes) < 2:  # noqa: PLR2004 - the image itself
        return ""
    query = escape(form.query())
    return ", ".join(
        f"<strong>{one.rendition.size}</strong>"
        if one.rendition.id == own_id
        else f'<a href="{visit.root}gallery/{one.rendition.id}{query}">{one.rendition.size}</a>'
        for one in sizes
    )


def _bytes(count: int) -> str:
    most_kib = 1000
    kib = count / 1024
    return f"{kib:.0f} KiB" if kib < most_kib else f"{kib / 1024:.1f} MiB"


def _cost(usd: float | None, *, simulated: bool) -> str:
    if usd is None:
        return "unknown"
    return f"{format_usd(usd)}{' (simulated)' if simulated else ''}"


def _count_calls(sends: Sequence[Send]) -> str:
    counts = {billing: sum(send.billing is billing for send in sends) for billing in _COUNTED}
    return ", ".join(f"{count} {_COUNTED[billing]}" for billing, count in counts.items() if count)


def _payer(sends: Iterable[Send], visit: Visit) -> str:
    """Return who paid, if that is the visitor's own key: others' names are their own business."""
    names = {send.payer for send in sends if send.billing is not Billing.NONE}
    return (
        f"your key {escape(visit.key_name)}" if visit.key_name in names and visit.key_name else ""
    )


def _references(references: Sequence[ReferenceRecord], visit: Visit) -> str:
    if not references:
        return ""
    items = "".join(f"<li>{_reference(one, visit)}</li>" for one in references)
    return f'<section><h2>References</h2><ol class="references">{items}</ol></section>'


def _reference(reference: ReferenceRecord, visit: Visit) -> str:
    shown = reference.shown or f"digest {reference.digest[:12]}"
    image_id = shown.removeprefix(URI_PREFIX)
    if not is_image_id(image_id):
        return f"<span>{escape(shown)}</span>"
    address = f"{visit.root}gallery/{image_id}"
    return (
        f'<a href="{address}"><img src="{address}/thumbnail.jpg" alt="" loading="lazy" '
        f'decoding="async"><span>{image_id}</span></a>'
    )


def _download(shown: ShownImage, visit: Visit) -> str:
    rendition = shown.image.rendition
    sizes = dict.fromkeys(
        [f"{one.rendition.size.width}x{one.rendition.size.height}" for one in shown.sizes]
    )
    options = "".join(f'<option value="{size}">' for size in dict.fromkeys([*sizes, *_SIZES]))
    formats = "".join(f'<option value="{name}">{name.upper()}</option>' for name in FORMATS)
    return f"""<section><h2>Download</h2>
<form class="download" action="{visit.root}gallery/{rendition.id}/download">
<label>Size <input name="size" list="sizes" value="{rendition.size.width}x{rendition.size.height}" required autocomplete="off" spellcheck="false" aria-describedby="download-hint"></label>
<datalist id="sizes">{options}</datalist>
<label>Format <select name="format">{formats}</select></label>
<button class="main">Download</button>
</form>
<p class="hint" id="download-hint">Any size, such as 1920x1080, 16:9 or 2K 1:1: the image is cropped and scaled, free of charge.</p></section>"""  # noqa: E501 - HTML


def _copies(copied: CopiedRequest) -> str:
    hint = (
        "References appear by name: replace each name with the image itself."
        if copied.missing_references
        else "The same request returns this image from the catalog; nothing is billed."
    )
    codes = "".join(
        f'<details name="copy"{" open" if name == "curl" else ""}><summary>{name}</summary>'
        f'<div class="code"><pre id="copy-{name}" tabindex="0" aria-label="{name}"><code>'
        f'{escape(text)}</code></pre><button type="button" data-copy="copy-{name}" '
        f'aria-label="Copy {name}">Copy</button></div></details>'
        for name, text in (("curl", copied.curl), ("Python", copied.python), ("CLI", copied.cli))
    )
    return f'<section><h2>Copy as</h2>{codes}<p class="hint">{hint}</p></section>'
