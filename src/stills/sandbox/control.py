"""The control plane under /_sandbox: reset, faults, ledger, health. It is local only."""

import ipaddress
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from stills.sandbox.faults import Fault, FaultKind
from stills.sandbox.state import SandboxState

CONTROL_PATH = "/_sandbox"
_ROUTES = {
    f"GET {CONTROL_PATH}/ledger": "every request, and what was billed",
    f"GET {CONTROL_PATH}/faults": "the faults that are set",
    f"POST {CONTROL_PATH}/faults": 'replace them, such as [{"kind": "throttled", "times": 3}]',
    f"POST {CONTROL_PATH}/reset": "forget faults, requests and images",
    f"GET {CONTROL_PATH}/health": "liveness",
}
_Handler = Callable[[web.Request], Awaitable[web.Response]]


class ControlPlane:
    """Lets tests and people control the sandbox and see what it received."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        """Return its endpoints."""
        return [
            web.get(CONTROL_PATH, _local_only(self._index)),
            web.get(f"{CONTROL_PATH}/health", _local_only(self._health)),
            web.get(f"{CONTROL_PATH}/ledger", _local_only(self._ledger)),
            web.get(f"{CONTROL_PATH}/faults", _local_only(self._get_faults)),
            web.post(f"{CONTROL_PATH}/faults", _local_only(self._set_faults)),
            web.post(f"{CONTROL_PATH}/reset", _local_only(self._reset)),
        ]

    async def _index(self, _: web.Request) -> web.Response:
        faults = {kind.value: kind.meaning for kind in FaultKind}
        return web.json_response({"routes": _ROUTES, "faults": faults}, dumps=_readable)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ledger(self, _: web.Request) -> web.Response:
        return web.json_response(self._state.ledger.to_json())

    async def _get_faults(self, _: web.Request) -> web.Response:
        return web.json_response(self._state.faults.to_json())

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            faults = _parse_faults(await request.read())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        self._state.faults.set(faults)
        return web.json_response(self._state.faults.to_json())

    async def _reset(self, _: web.Request) -> web.Response:
        self._state.reset()
        return web.json_response({"status": "ok"})


def _readable(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _parse_faults(raw: bytes) -> list[Fault]:
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError("the body must be JSON") from None
    if not isinstance(values, list):
        raise ValueError("the body must be a list of faults")  # noqa: TRY004 - bad input, one kind
    faults = []
    for index, value in enumerate(values):
        try:
            faults.append(Fault.from_json(value))
        except ValueError as error:
            raise ValueError(f"fault {index}: {error}") from None
    return faults


def _local_only(handler: _Handler) -> _Handler:
    async def guarded(request: web.Request) -> web.Response:
        if not is_loopback(request.remote):
            error = "the control plane only accepts local requests"
            return web.json_response({"error": error}, status=403)
        return await handler(request)

    return guarded


def is_loopback(peer: str | None) -> bool:
    """Return whether a peer's address is a loopback address."""
    try:
        return peer is not None and ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
