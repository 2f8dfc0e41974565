"""Answers in the form of each version of the models."""

from typing import Any

from stills.sandbox.rules import AcceptedRequest

NO_IMAGE_PART = {"text": "I can't generate that."}
_1K_PIXELS_MAX = 2_250_000


def build_answer(
    content: list[dict[str, str]], accepted: AcceptedRequest, request_id: str
) -> dict[str, Any]:
    """Build the answer as in the qwen-image API reference; of 2.1, it is not known."""
    made = sum("image" in part for part in content)
    message = {"role": "assistant", "content": content}
    output: dict[str, Any] = {"choices": [{"finish_reason": "stop", "message": message}]}
    if accepted.rules.has_task_metric:
        output["task_metric"] = {
            "TOTAL": accepted.image_count,
            "SUCCEEDED": made,
            "FAILED": accepted.image_count - made,
        }
    return {"output": output, "usage": _usage(accepted, made), "request_id": request_id}


def _usage(accepted: AcceptedRequest, made: int) -> dict[str, Any]:
    width, height = accepted.width, accepted.height
    if not accepted.rules.has_output_usage:
        return {"width": width, "height": height, "image_count": made}
    return {
        "output_width": width,
        "output_height": height,
        "output_image_count": made,
        "output_image_type": "1K" if width * height <= _1K_PIXELS_MAX else "2K",
        "input_image_count": accepted.reference_count,
    }
