"""The asynchronous API: POST /services/aigc/image-generation/generation, and GET /tasks/{id}.

Paths, header, states and the forms of answers are from Model Studio's pages on asynchronous tasks
and on images with `messages` (help.aliyun.com/en/model-studio/manage-asynchronous-tasks and
wan-image-generation-api-reference), read in November 2026. Only 3.0 has it among these models.
"""

import asyncio
import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from stills.sandbox.answers import NO_IMAGE_PART, build_answer
from stills.sandbox.errors import Refusal, error_response
from stills.sandbox.faults import FaultKind
from stills.sandbox.generation import GenerationEndpoint
from stills.sandbox.keys import check_key
from stills.sandbox.ledger import SendKind
from stills.sandbox.refusals import find_refusal
from stills.sandbox.rules import AcceptedRequest
from stills.sandbox.state import drop_connection, new_request_id, origin
from stills.sandbox.task_store import Task, TaskState

# A failed task has its code and message in `output`, with status 200.
_FAILURES = {
    FaultKind.TASK_FAILED: {
        "code": "InternalError",
        "message": "An internal error has occurred, please try again later.",
    },
    FaultKind.TASK_REFUSED: {
        "code": "DataInspectionFailed",
        "message": "Output data may contain inappropriate content.",
    },
}


class TaskEndpoint(GenerationEndpoint):
    """Creates tasks, after the same checks as synchronous calls, and answers queries."""

    is_task = True

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer one query of a task and close its entry in the ledger."""
        ledger, request_id = self._state.ledger, new_request_id()
        seq = ledger.open(SendKind.TASK_QUERY, request_id)
        try:
            check_key(request.headers)
            response = self._describe(request, seq, request_id)
        except Refusal as error:
            ledger.note(seq, status=error.status, code=error.code, finished=True)
            return error_response(error, request_id)
        ledger.note(seq, finished=True)
        return response

    async def _make(
        self,
        request: web.Request,
        accepted: AcceptedRequest,
        seq: int,
        request_id: str,
        kind: FaultKind | None,
    ) -> dict[str, Any]:
        """Start a task, and return its id. It is billed when it succeeds."""
        fault = self._state.faults.for_task(accepted.text)
        ending = fault.kind if fault else kind
        if fault:
            self._state.ledger.note(seq, fault=ending)
        delay_seconds = fault.delay_seconds if fault and ending is FaultKind.TASK_SLOW else 0.0
        task = Task(str(uuid.uuid4()), _key(request), seq, request_id, accepted, ending)
        self._state.tasks.start(task, self._run(task, delay_seconds))
        output = {"task_id": task.id, "task_status": TaskState.PENDING}
        return {"output": output, "request_id": request_id}

    async def _run(self, task: Task, delay_seconds: float) -> None:
        latency_seconds = self._state.settings.latency_seconds
        await asyncio.sleep(latency_seconds / 2)
        if task.ending is FaultKind.TASK_CANCELED:
            task.end(TaskState.CANCELED)
            return
        task.begin()
        await asyncio.sleep(latency_seconds / 2 + delay_seconds)
        if task.ending in _FAILURES:
            task.end(TaskState.FAILED)
            return
        made = task.accepted.image_count - (task.ending is FaultKind.FEWER_IMAGES)
        if task.ending is not FaultKind.NO_IMAGE and made:
            store = self._state.images
            recipes = store.put(replace(task.accepted, image_count=made), task.request_id)
            task.images = [(recipe, store.signed_path(recipe)) for recipe in recipes]
            self._state.ledger.note(task.seq, billed=made)
        task.end(TaskState.SUCCEEDED)

    def _describe(self, request: web.Request, seq: int, request_id: str) -> web.StreamResponse:
        """Return the state of a task, with the fault that applies, if any."""
        ledger, task_id = self._state.ledger, request.match_info["task_id"]
        task = self._state.tasks.find(task_id, _key(request))
        if task is not None:
            fault = self._state.faults.for_task_query(task.accepted.text)
            kind = fault.kind if fault else None
            ledger.note(seq, fault=kind, model=task.accepted.model, prompt=task.accepted.text)
            refusal = find_refusal(fault, task.accepted) if fault else None
            if refusal is not None:
                raise refusal
            if kind is FaultKind.TASK_QUERY_DROPPED:
                return drop_connection(request)
            if kind is FaultKind.TASK_QUERY_HTML:
                return self._page(seq, 200, "Please sign in")
        ledger.note(seq, status=200)
        if task is None or task.ending is FaultKind.TASK_LOST:
            output = {"task_id": task_id, "task_status": TaskState.UNKNOWN}
            return web.json_response({"output": output, "request_id": request_id})
        return web.json_response(_report(task, request_id, origin(request)))


def _report(task: Task, request_id: str, base: str) -> dict[str, Any]:
    output: dict[str, Any] = {"task_id": task.id, "task_status": task.state, **task.times()}
    if task.state is TaskState.FAILED and task.ending is not None:
        output |= _FAILURES[task.ending]
    if task.state is not TaskState.SUCCEEDED:
        return {"output": output, "request_id": request_id}
    content = [{"image": base + path, "type": "image"} for _, path in task.images]
    answer = build_answer(content or [NO_IMAGE_PART], task.accepted, request_id)
    answer["output"] = output | {"finished": True} | answer["output"]
    return answer


def _key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").partition(" ")[2]
