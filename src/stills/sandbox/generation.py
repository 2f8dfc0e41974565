"""The endpoint that generates images: POST /services/aigc/multimodal-generation/generation."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from aiohttp import web

from stills.sandbox import rules
from stills.sandbox.answers import NO_IMAGE_PART, build_answer
from stills.sandbox.errors import Refusal, error_response, invalid_parameter
from stills.sandbox.faults import FaultKind
from stills.sandbox.keys import check_key
from stills.sandbox.ledger import SendKind
from stills.sandbox.refusals import find_refusal
from stills.sandbox.rules import AcceptedRequest
from stills.sandbox.size_made import size_made
from stills.sandbox.state import SandboxState, drop_connection, new_request_id, origin

# Gateways and proxies in front of the service answer with HTML pages.
_PAGES = {
    FaultKind.GATEWAY_HTML: (502, "Bad Gateway"),
    FaultKind.GATEWAY_UNAVAILABLE: (503, "Service Temporarily Unavailable"),
    FaultKind.TOO_LARGE: (413, "Request Entity Too Large"),
}
_PAGES_AFTER = {
    FaultKind.GATEWAY_TIMEOUT: (504, "Gateway Time-out"),
    FaultKind.HTML_ANSWER: (200, "Please sign in"),
}


class GenerationEndpoint:
    """Checks a request in the same order as the service, and returns image URLs or a refusal."""

    is_task = False

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one generation request and close its entry in the ledger."""
        ledger, request_id = self._state.ledger, new_request_id()
        seq = ledger.open(SendKind.GENERATION, request_id)
        try:
            accepted = await self._accept(request, seq)
            response = await self._fulfil(request, accepted, seq, request_id)
        except Refusal as error:
            ledger.note(seq, status=error.status, code=error.code, finished=True)
            return self._refuse(error, request_id)
        ledger.note(seq, finished=True)
        return response

    def _parse(self, raw: bytes) -> dict[str, Any]:
        return rules.parse_body(raw)

    def _check_model(self, accepted: AcceptedRequest) -> None:
        """Refuse models that this endpoint does not serve."""

    def _refuse(self, error: Refusal, request_id: str) -> web.Response:
        return error_response(error, request_id)

    async def _accept(self, request: web.Request, seq: int) -> AcceptedRequest:
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise invalid_parameter("The request body is too large.") from None
        check_key(request.headers)
        self._state.rate_limit.take()
        body = self._parse(raw)
        summary = rules.summarize(body)
        self._state.ledger.note(
            seq,
            model=summary.model,
            prompt=summary.prompt,
            content=summary.content,
            references=summary.references,
            parameters=summary.parameters,
        )
        # In a thread, because a long prompt's tokens are counted.
        accepted = await asyncio.to_thread(
            rules.check,
            body,
            request.headers,
            self._state.models,
            uploaded=self._state.uploaded,
            is_task=self.is_task,
        )
        self._check_model(accepted)
        self._state.ledger.note(
            seq,
            text=accepted.text,
            text_cut=accepted.text_cut,
            negative_prompt=accepted.negative_prompt,
            negative_prompt_cut=accepted.negative_prompt_cut,
            size=f"{accepted.width}*{accepted.height}",
            seed=accepted.seed,
        )
        width, height = size_made(accepted, self._state.settings)
        return replace(accepted, width=width, height=height)

    async def _fulfil(
        self, request: web.Request, accepted: AcceptedRequest, seq: int, request_id: str
    ) -> web.StreamResponse:
        """Generate the images, with the fault that applies, if any."""
        ledger = self._state.ledger
        fault = self._state.faults.for_generation(accepted.text)
        kind = fault.kind if fault else None
        ledger.note(seq, fault=kind)
        refusal = find_refusal(fault, accepted) if fault else None
        if refusal is not None:
            raise refusal
        if kind in _PAGES:
            return self._page(seq, *_PAGES[kind])
        if kind is FaultKind.DROP_BEFORE:
            return drop_connection(request)
        answer = await self._make(request, accepted, seq, request_id, kind)
        if kind is FaultKind.DROP_AFTER:
            return drop_connection(request)
        if kind in _PAGES_AFTER:
            return self._page(seq, *_PAGES_AFTER[kind])
        if fault and kind is FaultKind.SLOW:
            await asyncio.sleep(fault.delay_seconds)
        ledger.note(seq, status=200)
        text = json.dumps(answer)
        if kind is FaultKind.TRUNCATED_ANSWER:
            text = text[: len(text) // 2]
        return web.Response(text=text, content_type="application/json")

    async def _make(
        self,
        request: web.Request,
        accepted: AcceptedRequest,
        seq: int,
        request_id: str,
        kind: FaultKind | None,
    ) -> dict[str, Any]:
        """Generate the images, which are billed, and return the answer."""
        await asyncio.sleep(self._state.settings.latency_seconds)
        made = accepted.image_count - (kind is FaultKind.FEWER_IMAGES)
        if kind is FaultKind.NO_IMAGE or made == 0:
            return build_answer([NO_IMAGE_PART], accepted, request_id)
        self._state.ledger.note(seq, billed=made)
        store = self._state.images
        images = store.put(replace(accepted, image_count=made), request_id)
        urls = [origin(request) + store.signed_path(image) for image in images]
        return build_answer([{"image": url} for url in urls], accepted, request_id)

    def _page(self, seq: int, status: int, title: str) -> web.Response:
        self._state.ledger.note(seq, status=status)
        page = f"<html><head><title>{title}</title></head><body>{title}</body></html>"
        return web.Response(status=status, text=page, content_type="text/html")
