"""Request paths: the base URLs that clients use, and the route of each path."""

import re
from urllib.parse import quote

IMAGE_PATH = "/images/{image_id}.png"
UNSERVED = {
    "/images/variations": "POST /v1/images/edits, from a prompt and reference images",
    "/chat/completions": "POST /v1/images/generations, from a prompt",
    "/responses": "POST /v1/images/generations, from a prompt",
}
"""Routes of OpenAI's that are not served, and which one makes images instead."""

OPENAI_PATHS = ("/v1/images", "/v1/images/generations", "/v1/images/edits", "/v1/images/variations")
JOBS_PATH = "/v1/jobs"
LOGIN_PATHS = ("/login", "/logout")
PROBES = ("/healthz", "/readyz")

_PREFIXES = re.compile(r"/(?:api/v1|openai(?:/deployments/[^/]+)?(?:/v1)?)(?=/)")
_UNPREFIXED = ("models", "image.generate", "chat", "responses")
_PREFIX, _SUFFIX = IMAGE_PATH.split("{image_id}")
_ROUTE = re.compile(
    r"/(?:v1/(?:images/(?:generations|edits)|images|jobs|models|image\.generate)"
    r"|images|healthz|readyz|metrics|mcp|docs|gallery|login|logout|review|openapi\.json)(?=/|$)|/$"
)


def is_image_path(path: str) -> bool:
    """Return whether a path names the PNG of an image."""
    return path.startswith(_PREFIX) and path.endswith(_SUFFIX)


def read_image_id(path: str) -> str:
    """Return the image id in an image's path."""
    return path[len(_PREFIX) : -len(_SUFFIX)]


def is_gallery_path(path: str) -> bool:
    """Return whether a path belongs to the gallery."""
    return path in {"/", "/gallery"} or path.startswith("/gallery/")


def is_review_path(path: str) -> bool:
    """Return whether a path belongs to a review."""
    return path.startswith("/review/")


def find_page(given: str, path: str) -> str | None:
    """Return the relative address of a page that was requested with more slashes than it has.

    Its links would lead elsewhere from there. None for the address of the page itself, and for
    everything else. `path` is `given` after `normalize_path`.
    """
    is_page = is_gallery_path(path) or path in {*LOGIN_PATHS, "/docs"}
    return f"{root_of(given)}{quote(path[1:])}" if is_page and given != path else None


def root_of(path: str) -> str:
    """Return the relative address of `/` from another path.

    Relative, because a proxy may serve us below a path of its own.
    """
    return "../" * (path.count("/") - 1) or "./"


def normalize_path(path: str) -> str:
    """Return our path for the base URLs that clients use, with any slashes.

    They end in /v1, /api/v1, Azure's /openai/v1 or /openai/deployments/NAME, or nothing.
    """
    path = re.sub("/{2,}", "/", path)
    if is_image_path(path) or path.startswith("/review/"):  # whose pages end in a slash
        return path
    path = path.rstrip("/") or "/"
    prefix = _PREFIXES.match(path)
    if prefix is not None:
        return f"/v1{path[prefix.end() :]}"
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    if first in _UNPREFIXED or f"/v1{path}" in OPENAI_PATHS:
        return f"/v1{path}"
    return path


def normalize_route(path: str) -> str:
    """Return the route of a path, or `other`, so that metrics have few labels."""
    route = _ROUTE.match(path)
    return route[0] if route else "other"
