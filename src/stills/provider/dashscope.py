"""DashScope through its own SDK: one call here is one request on the wire.

The SDK is kept from three things it does on its own (all seen in dashscope 2.0.2): reading and
uploading files that a prompt or an image value happens to name, sending again after a dropped
connection, and losing the code and message of an error that came inside a 200. What it logs is
redacted, for a message of the service may quote the key.
"""

import asyncio
import contextvars
import logging
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from dashscope.aigc.image_generation import AioImageGeneration

from stills.contract.errors import (
    AnswerTimeout,
    Billing,
    ConnectionLost,
    ServiceUnreachable,
    StillsError,
    UnexpectedAnswer,
)
from stills.contract.generation import Chunks, ProviderAnswer, ProviderRequest
from stills.provider.answers import Exchange, read_answer, redact
from stills.provider.body_limit import (
    ANSWER_MAX_BYTES,
    BodyTooLarge,
    BoundedResponse,
)
from stills.provider.credentials import Credentials
from stills.provider.links import ImageLinks
from stills.provider.proxy import find_proxy

CONNECT_SECONDS = 30.0

if "_preprocess_messages" not in vars(AioImageGeneration):
    raise ImportError(
        "this dashscope version loads images in a way Stills does not know, and could upload "
        "files that a prompt names: install the version in requirements.lock"
    )


class _NoFileAccess(AioImageGeneration):  # type: ignore[misc]  # the SDK is not typed
    """The SDK's call without its preprocessing, which opens and uploads files."""

    @classmethod
    def _preprocess_messages(cls, model: str, messages: list[Any], api_key: str) -> bool:
        del model, messages, api_key
        return False


@dataclass
class _Wire:
    """What happened on the wire during one send."""

    key: str
    sends: int = 0
    exchange: Exchange | None = None


class _WireError(Exception):
    """The wire failed; not an aiohttp error, for on those the SDK sends again."""

    def __init__(self, error: StillsError) -> None:
        super().__init__(error.message)
        self.error = error


_wire: contextvars.ContextVar[_Wire] = contextvars.ContextVar("stills_wire")


def _redact_record(record: logging.LogRecord) -> bool:
    wire = _wire.get(None)
    record.msg, record.args = redact(record.getMessage(), wire.key if wire else ""), ()
    if record.exc_info and record.exc_info[0]:
        # aiohttp's exceptions hold the request with its headers, and quote what they can't parse.
        record.msg += f" ({record.exc_info[0].__name__})"
        record.exc_info = None
    return True


_sdk_logger = logging.getLogger("dashscope")
_sdk_logger.addFilter(_redact_record)
# The SDK logs failures as errors, also those that are retried. Without a handler of its own
# they would land on the user's terminal.
_sdk_logger.addHandler(logging.NullHandler())


class _Connector(aiohttp.TCPConnector):
    """Gives up on a connection early, since the SDK knows only one timeout for the whole call."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> Connection:
        del timeout
        patience = aiohttp.ClientTimeout(connect=CONNECT_SECONDS)
        return await super().connect(req, traces, patience)


async def connect(credentials: Credentials, *, links_live: bool = True) -> "DashScope":
    """Make a provider; reading the certificates is slow and done off the event loop."""
    tls = await asyncio.to_thread(ssl.create_default_context, cafile=certifi.where())
    return DashScope(credentials, tls, links_live=links_live)


class DashScope:
    """Implements the Provider port; to be used on one event loop.

    `links_live` is False for a service that dies with this process, as an embedded sandbox does:
    then no link is worth resuming from. `resolver` finds the addresses of links; the system's is
    the default.
    """

    def __init__(
        self,
        credentials: Credentials,
        tls: ssl.SSLContext,
        *,
        links_live: bool = True,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._credentials = credentials
        self._links_live = links_live
        connector = _Connector(ssl=tls, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector,
            middlewares=(_watch,),
            proxy=find_proxy(credentials.base_url),
            response_class=BoundedResponse,
        )
        self._links = ImageLinks(credentials.base_url, tls, resolver=resolver)

    @property
    def name(self) -> str:
        return self._credentials.provider

    async def ready(self) -> None:
        """Do nothing: a provider that was made is ready."""

    async def send(self, request: ProviderRequest, *, timeout_seconds: float) -> ProviderAnswer:
        key = self._credentials.key.reveal()
        wire = _Wire(key)
        token = _wire.set(wire)
        try:
            await self._call(request, key, timeout_seconds)
        # What was answered is read below, whatever the SDK makes of it: it trips over answers of an
        # unexpected form, and _watch stops it where it would follow a redirect.
        except _WireError as error:
            if wire.exchange is None:
                raise error.error from _safe_cause(error)
        except Exception as error:
            if wire.exchange is None:
                raise _untold(error, wire) from error
        finally:
            _wire.reset(token)
        if wire.exchange is None:
            raise UnexpectedAnswer("the SDK gave no answer", billing=Billing.POSSIBLE)
        answer = read_answer(
            wire.exchange,
            model=request.model,
            key=key,
            has_reference=request.reference_url is not None,
        )
        if self._links_live:
            return answer
        return ProviderAnswer(answer.image_url, expires_at=0.0, request_id=answer.request_id)

    async def download(self, url: str, *, timeout_seconds: float) -> Chunks:
        return await self._links.download(url, timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        await self._links.close()
        await self._session.close()

    async def _call(self, request: ProviderRequest, key: str, timeout_seconds: float) -> None:
        content = [{"image": request.reference_url}] if request.reference_url else []
        optional = {"negative_prompt": request.negative_prompt} if request.negative_prompt else {}
        await _NoFileAccess.call(
            model=request.model,
            api_key=key,
            messages=[{"role": "user", "content": [*content, {"text": request.text}]}],
            base_address=self._credentials.base_url,
            session=self._session,
            request_timeout=timeout_seconds,
            user_agent="stills",
            n=1,
            size=str(request.size),
            seed=request.seed,
            prompt_extend=request.prompt_extend,
            watermark=request.watermark,
            **optional,
        )


async def _watch(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Let one request through per send, and keep its answer as it came."""
    wire = _wire.get()
    wire.sends += 1
    if wire.sends > 1:
        raise _WireError(ConnectionLost("the SDK tried to send again", billing=Billing.POSSIBLE))
    try:
        response = await handler(request)
        body = await response.read()
    except Exception as error:
        raise _WireError(_translate(error)) from error
    wire.exchange = Exchange(response.status, response.headers, body)
    return response


def _safe_cause(error: _WireError) -> BaseException | None:
    """Leave out those causes that hold the request's headers, or quote what came back."""
    cause = error.__cause__
    return None if isinstance(cause, aiohttp.ClientResponseError) else cause


_NOT_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
)


def _translate(error: Exception) -> StillsError:
    """Say in our words what broke the wire, and what it means for the money."""
    reason = type(error).__name__
    if isinstance(error, _NOT_CONNECTED):
        return ServiceUnreachable(f"no connection to the service ({reason})")
    if isinstance(error, TimeoutError):
        return AnswerTimeout("the service gave no answer in time", billing=Billing.POSSIBLE)
    if isinstance(error, BodyTooLarge):
        return UnexpectedAnswer(
            f"the service's answer is over {ANSWER_MAX_BYTES // 1024 // 1024} MiB, so it was not "
            "read to its end",
            billing=Billing.POSSIBLE,
        )
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return ConnectionLost(
            f"the connection to the service broke ({reason})", billing=Billing.POSSIBLE
        )
    return UnexpectedAnswer(
        f"the service's answer can't be read ({reason})", billing=Billing.POSSIBLE
    )


def _untold(error: Exception, wire: _Wire) -> StillsError:
    """Translate what the SDK raised before, or instead of, an answer."""
    if isinstance(error, TimeoutError):
        return AnswerTimeout("the service gave no answer in time", billing=Billing.POSSIBLE)
    sent = Billing.POSSIBLE if wire.sends else Billing.NONE
    return UnexpectedAnswer(
        f"the SDK failed: {type(error).__name__}: {redact(str(error), wire.key)}", billing=sent
    )
