"""Request paths: the base URLs that clients use, and the route of each path."""

import re

IMAGE_PATH = "/images/{image_id}.png"
OPENAI_PATHS = ("/v1/images", "/v1/images/generations", "/v1/images/edits")
PROBES = ("/healthz", "/readyz")

_PREFIX, _SUFFIX = IMAGE_PATH.split("{image_id}")
_ROUTE = re.compile(
    r"/(?:v1/(?:images/(?:generations|edits)|images|models|image\.generate)"
    r"|images|healthz|readyz|metrics|mcp|docs|openapi\.json)(?=/|$)"
)


def is_image_path(path: str) -> bool:
    """Return whether a path names the PNG of an image."""
    return path.startswith(_PREFIX) and path.endswith(_SUFFIX)


def read_image_id(path: str) -> str:
    """Return the image id in an image's path."""
    return path[len(_PREFIX) : -len(_SUFFIX)]


def normalize_path(path: str) -> str:
    """Return our path for base URLs with /v1, /api/v1 or neither: clients use all three."""
    if is_image_path(path):
        return path
    if path.startswith("/api/v1/"):
        return path[4:]
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    if first in ("models", "image.generate") or f"/v1{path}" in OPENAI_PATHS:
        return f"/v1{path}"
    return path


def normalize_route(path: str) -> str:
    """Return the route of a path, or `other`, so that metrics have few labels."""
    route = _ROUTE.match(path)
    return route[0] if route else "other"
