"""A page with one sentence, such as an error."""

from html import escape

from stills.gallery.document import Page, Visit, make_page


def render_message(text: str, visit: Visit) -> Page:
    """Return the page."""
    sentence = escape(text[:1].upper() + text[1:])
    content = (
        f'<main class="message"><h1 class="unseen">Error</h1><p role="alert">{sentence}</p>'
        f'<p><a href="{visit.root}">All images</a></p></main>'
    )
    return make_page("Error", content, visit, kind="message")
