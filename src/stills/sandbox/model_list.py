"""The list of models: GET /models, in pages, as the SDK's `Models.list` asks for it.

The form of the answer is what public clients of the service read (November 2026).
"""

from aiohttp import web

from stills.sandbox.errors import Refusal, error_response, invalid_parameter
from stills.sandbox.keys import check_key
from stills.sandbox.ledger import SendKind
from stills.sandbox.state import SandboxState, new_request_id


class ModelListEndpoint:
    """Lists the models that the sandbox serves; nothing is billed."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def get(self, request: web.Request) -> web.Response:
        """Answer `GET /models?page_no=1&page_size=10`."""
        ledger, request_id = self._state.ledger, new_request_id()
        seq = ledger.open(SendKind.MODEL_LIST, request_id)
        try:
            check_key(request.headers)
            page = _whole(request, "page_no", 1)
            size = _whole(request, "page_size", 10)
        except Refusal as error:
            ledger.note(seq, status=error.status, code=error.code, finished=True)
            return error_response(error, request_id)
        ledger.note(seq, status=200, finished=True)
        known = self._state.models
        served = [{"model": one, "name": one} for one in known.rules if one not in known.retired]
        models = served[(page - 1) * size : page * size]
        output = {"total": len(served), "page_no": page, "page_size": size, "models": models}
        return web.json_response({"output": output, "request_id": request_id})


def _whole(request: web.Request, name: str, default: int) -> int:
    written = request.query.get(name, str(default))
    if not (written.isascii() and written.isdecimal() and 1 <= int(written[:4]) <= 100):  # noqa: PLR2004
        raise invalid_parameter(f"{name} must be an integer from 1 to 100.")
    return int(written)
