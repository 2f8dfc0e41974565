"""The service's error envelope.

Codes and statuses as in Alibaba's error-code reference and the qwen-image API reference.
"""

from aiohttp import web


class ServiceError(Exception):
    """A refusal as DashScope words it: an HTTP status, a code and a message.

    A `compatible` one comes in the envelope of the OpenAI-compatible endpoint.
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


def invalid_parameter(message: str) -> ServiceError:
    """Make the refusal of a request that no retry can help."""
    return ServiceError(400, "InvalidParameter", message)


def model_not_found(model: str) -> ServiceError:
    """Make the refusal of a model id the service has never heard of."""
    return ServiceError(404, "ModelNotFound", f"Model {model} can not be found.")


def model_retired(model: str) -> ServiceError:
    """Make the refusal of a model that was served once."""
    message = f"Model {model} has been retired and is no longer served; choose another model."
    return ServiceError(404, "ModelNotFound", message)


def throttled(retry_after_seconds: float | None) -> ServiceError:
    """Make the refusal of a request that came too fast."""
    message = "Requests rate limit exceeded, please try again later."
    return ServiceError(
        429, "Throttling.RateQuota", message, retry_after_seconds=retry_after_seconds
    )


def error_response(error: ServiceError, request_id: str) -> web.Response:
    """Put the error into its envelope."""
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = f"{error.retry_after_seconds:g}"
    body: dict[str, object]
    if error.compatible:
        facts = {"code": error.code, "message": error.message, "type": error.code, "param": None}
        body = {"error": facts, "request_id": request_id}
    else:
        body = {"code": error.code, "message": error.message, "request_id": request_id}
    return web.json_response(body, status=error.status, headers=headers)
