"""The service's error envelope.

Codes and statuses as in Alibaba's error-code reference and the qwen-image API reference.
"""

from aiohttp import web


class Refusal(Exception):
    """A refusal in DashScope's words: an HTTP status, a code and a message.

    If `compatible`, it has the envelope of the OpenAI-compatible endpoint.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        compatible: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds
        self.compatible = compatible


def invalid_parameter(message: str) -> Refusal:
    """Make the refusal of an invalid request."""
    return Refusal(400, "InvalidParameter", message)


def model_not_found(model: str) -> Refusal:
    """Make the refusal of an unknown model id."""
    return Refusal(404, "ModelNotFound", f"Model {model} can not be found.")


def model_retired(model: str) -> Refusal:
    """Make the refusal of a retired model."""
    message = f"Model {model} has been retired and is no longer served; choose another model."
    return Refusal(404, "ModelNotFound", message)


def throttled(retry_after_seconds: float | None) -> Refusal:
    """Make the refusal of a request over the rate limit."""
    message = "Requests rate limit exceeded, please try again later."
    return Refusal(429, "Throttling.RateQuota", message, retry_after_seconds=retry_after_seconds)


def error_response(error: Refusal, request_id: str) -> web.Response:
    """Make the HTTP response for a refusal."""
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = f"{error.retry_after_seconds:g}"
    body: dict[str, object]
    if error.compatible:
        details = {"code": error.code, "message": error.message, "type": error.code, "param": None}
        body = {"error": details, "request_id": request_id}
    else:
        body = {"code": error.code, "message": error.message, "request_id": request_id}
    return web.json_response(body, status=error.status, headers=headers)
