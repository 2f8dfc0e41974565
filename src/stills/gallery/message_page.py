"""A page with one sentence, such as an error."""

from html import escape

from stills.gallery.document import Page, Visit, as_sentence, make_page


def render_message(text: str, visit: Visit) -> Page:
    """Return the page."""
    content = (
        '<main class="message"><h1 class="unseen">Error</h1>'
        f'<p role="alert">{escape(as_sentence(text))}</p>'
        f'<p><a href="{visit.root}">All images</a></p></main>'
    )
    return make_page("Error", content, visit, kind="message")
