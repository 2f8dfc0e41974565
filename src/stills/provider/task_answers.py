"""Reading the service's answers about asynchronous tasks.

Forms and states are from Model Studio's page on asynchronous tasks
(help.aliyun.com/en/model-studio/manage-asynchronous-tasks), read in November 2026.
"""

import json
import re
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from stills.contract.errors import (
    Billing,
    NoImage,
    RequestRejected,
    StillsError,
    TaskLost,
    UnexpectedAnswer,
)
from stills.contract.generation import ProviderAnswer
from stills.provider.answers import Exchange, parse, read_answer, redact, text_of

# An id becomes a part of a URL.
_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def read_task_id(exchange: Exchange, *, model: str, key: str, has_reference: bool) -> str:
    """Return the id of the task that a call created.

    Raises:
        StillsError: there is none; its `billing` says whether a task may exist all the same.
    """
    output = _output(exchange)
    task_id = text_of(output.get("task_id"))
    if _TASK_ID.fullmatch(task_id):
        return task_id
    if not output:
        read_answer(exchange, model=model, key=key, has_reference=has_reference)
    raise UnexpectedAnswer(
        "the service's answer has no usable id of a task", billing=Billing.POSSIBLE
    )


def read_task(
    exchange: Exchange, *, model: str, key: str, has_reference: bool
) -> ProviderAnswer | StillsError | None:
    """Return the image of a task, the error that it ended with, or None if it has not ended.

    Raises:
        StillsError: the answer does not say how the task stands.
    """
    output = _output(exchange)
    state = text_of(output.get("task_status"))
    if state in {"PENDING", "RUNNING"}:
        return None
    if state == "CANCELED":
        return RequestRejected(
            "the task was canceled before it ran",
            action="If nobody canceled it, retry; a canceled task is not billed.",
        )
    if state == "UNKNOWN":
        return TaskLost(
            "the service no longer knows the task of this image, because it is more than a day old "
            "or belongs to another account",
            billing=Billing.POSSIBLE,
        )
    as_answer = {"SUCCEEDED": _with_choices, "FAILED": _as_refusal}.get(state)
    answer = exchange if as_answer is None else as_answer(exchange, output)
    try:
        return read_answer(answer, model=model, key=key, has_reference=has_reference)
    except StillsError as error:
        if as_answer is not None:
            return error
        if not isinstance(error, NoImage):
            raise
    raise UnexpectedAnswer(f"the service does not say how the task stands ({redact(state, key)})")


def _output(exchange: Exchange) -> dict[str, Any]:
    output = parse(exchange.body).get("output") if exchange.status == HTTPStatus.OK else None
    return output if isinstance(output, dict) else {}


def _with_choices(exchange: Exchange, output: dict[str, Any]) -> Exchange:
    """Return an answer in the form of a synchronous one; older models list `results` instead."""
    results = output.get("results")
    if "choices" in output or not isinstance(results, list):
        return exchange
    content = [
        {"image": result["url"]}
        for result in results
        if isinstance(result, dict)
        if "url" in result
    ]
    choices = [{"finish_reason": "stop", "message": {"role": "assistant", "content": content}}]
    return _rewritten(exchange, output={**output, "choices": choices})


def _as_refusal(exchange: Exchange, output: dict[str, Any]) -> Exchange:
    """Return the failure of a task in the form of a refused call."""
    code, message = text_of(output.get("code")), text_of(output.get("message"))
    return _rewritten(exchange, output=None, code=code or "InternalError", message=message)


def _rewritten(exchange: Exchange, **changes: object) -> Exchange:
    return replace(exchange, body=json.dumps(parse(exchange.body) | changes).encode())
