"""The documentation of the API at `/docs`: Swagger UI, from files of our own.

It works without a network, and its security policy lets it load nothing from elsewhere.
"""

import gzip
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stills.http.errors import not_found
from stills.http.page_answer import PRIVATE

_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_CACHING = "public, max-age=86400"
_SCRIPT = """
SwaggerUIBundle({
  url: "openapi.json", dom_id: "#docs", layout: "BaseLayout", deepLinking: true, validatorUrl: null,
});
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<title>{title}</title>
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>{script}</script>
</body>
</html>
"""
# Its style sheet has pictures in it, as data URLs.
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "connect-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self' '{digest}'"
)


def make_docs_routes(title: str) -> list[Route]:
    """Return the routes of the documentation."""
    digest = b64encode(sha256(_SCRIPT.encode()).digest()).decode()
    page = _PAGE.format(title=escape(title), script=_SCRIPT)
    headers = {**PRIVATE, "Content-Security-Policy": _POLICY.format(digest=f"sha256-{digest}")}

    async def show(_: Request) -> Response:
        return Response(page, headers=headers, media_type="text/html")

    return [
        Route("/docs", show, methods=["GET"], include_in_schema=False),
        Route("/docs/{name}", _send_file, methods=["GET"], include_in_schema=False),
    ]


async def _send_file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        return not_found("There is no such file; /docs has the documentation.")
    headers = {
        "Cache-Control": _CACHING,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    data = _read(name)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        data = gzip.decompress(data)
    return Response(data, headers=headers, media_type=_TYPES[name])


@cache
def _read(name: str) -> bytes:
    return files("stills.http").joinpath("swagger_ui", f"{name}.gz").read_bytes()
