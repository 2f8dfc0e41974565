"""File uploads, as the SDK makes them for local paths: a policy, then a form post."""

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from stills.sandbox.errors import Refusal, error_response, invalid_parameter
from stills.sandbox.keys import check_key
from stills.sandbox.ledger import SendKind
from stills.sandbox.state import SandboxState, new_request_id, origin

UPLOAD_PATH = "/upload"
_ACCESS_KEY_ID = "STILLSSANDBOX"


class UploadEndpoints:
    """Accepts uploads and records their keys; the bytes are discarded."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def get_policy(self, request: web.Request) -> web.Response:
        """Answer `GET /uploads?action=getPolicy&model=...`."""
        ledger, request_id = self._state.ledger, new_request_id()
        seq = ledger.open(SendKind.UPLOAD_POLICY, request_id)
        ledger.note(seq, model=request.query.get("model"))
        try:
            check_key(request.headers)
            if request.query.get("action") != "getPolicy":
                raise invalid_parameter("action must be getPolicy.")
        except Refusal as error:
            ledger.note(seq, status=error.status, code=error.code, finished=True)
            return error_response(error, request_id)
        ledger.note(seq, status=200, finished=True)
        policy = _policy(origin(request) + UPLOAD_PATH, request_id)
        return web.json_response({"output": policy, "data": policy, "request_id": request_id})

    async def post_file(self, request: web.Request) -> web.Response:
        """Answer the form post to `upload_host`."""
        ledger = self._state.ledger
        seq = ledger.open(SendKind.UPLOAD, new_request_id())
        key = await _key_of_form(request)
        status = 400 if key is None else 200
        if key is not None:
            self._state.uploaded.add(key)
        ledger.note(seq, file_name=key, status=status, finished=True)
        return web.Response(status=status)


async def _key_of_form(request: web.Request) -> str | None:
    """Return the form's object key, if it is a form with a file."""
    try:
        form = await request.post()
    except (ValueError, LookupError, HttpProcessingError, web.HTTPException):
        return None  # aiohttp's form parser raises all of these
    key = form.get("key")
    return key if isinstance(key, str) and "file" in form else None


def _policy(upload_host: str, request_id: str) -> dict[str, str | int]:
    return {
        "policy": "c2FuZGJveA==",
        "signature": "sandbox",
        "upload_dir": f"sandbox/{request_id}",
        "upload_host": upload_host,
        "expire_in_seconds": 300,
        "max_file_size_mb": 100,
        "oss_access_key_id": _ACCESS_KEY_ID,
        "x_oss_object_acl": "private",
        "x_oss_forbid_overwrite": "true",
    }
