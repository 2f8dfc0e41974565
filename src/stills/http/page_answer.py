"""Pages for people as answers: nobody may store, frame or embed them."""

from starlette.responses import Response

from stills.gallery.document import Page

PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def page_answer(page: Page, status: int = 200) -> Response:
    """Return a page with its security policy."""
    headers = {**PRIVATE, "Content-Security-Policy": page.policy}
    return Response(page.content, status, headers=headers, media_type="text/html")
