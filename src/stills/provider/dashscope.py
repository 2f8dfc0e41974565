"""DashScope through its own SDK: one call here is one request on the wire.

The SDK is prevented from four things that dashscope 2.0.2 does: reading and uploading files that a
prompt or an image value names, retrying after a dropped connection, losing the code and message of
an error inside a 200, and asking for a task at another base URL than it was created at. Its log is
redacted, because a message of the service may quote the key.
"""

import asyncio
import contextvars
import logging
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from dashscope.aigc.image_generation import AioImageGeneration

from stills.contract.addresses import is_this_machine
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
from stills.provider.model_list import PAGE_SIZE, PAGES_MAX, read_model_page
from stills.provider.task_answers import read_task, read_task_id
from stills.web import (
    Proxy,
    check_proxies,
    explain_failure,
    find_proxy,
    load_certificates,
    make_connector,
)

CONNECT_SECONDS = 30.0
_USER_AGENT = f"stills/{version('stills')}"

if "_preprocess_messages" not in vars(AioImageGeneration):
    raise ImportError(
        "this dashscope version loads images in an unknown way, and could upload files that a "
        "prompt names: install the version in requirements.lock"
    )


class _NoFileAccess(AioImageGeneration):  # type: ignore[misc]  # the SDK is not typed
    """The SDK's call without its preprocessing, which opens and uploads files."""

    @classmethod
    def _preprocess_messages(cls, model: str, messages: list[Any], api_key: str) -> bool:
        del model, messages, api_key
        return False

    @classmethod
    async def query(cls, task_id: str, **options: Any) -> Any:  # noqa: ANN401 - the SDK's
        """Ask for a task as `fetch` does, but with the given session and base URL."""
        return await super(AioImageGeneration, cls).fetch(task_id, **options)


@dataclass
class Wire:
    """What happened on the wire during one call."""

    key: str
    proxy: Proxy | None = None
    sends: int = 0
    exchange: Exchange | None = None


class _WireError(Exception):
    """The wire failed. Not an aiohttp error, because the SDK retries on those."""

    def __init__(self, error: StillsError) -> None:
        super().__init__(error.message)
        self.error = error


CURRENT_WIRE: contextvars.ContextVar[Wire] = contextvars.ContextVar("stills_wire")


def _redact_record(record: logging.LogRecord) -> bool:
    wire = CURRENT_WIRE.get(None)
    record.msg, record.args = redact(record.getMessage(), wire.key if wire else ""), ()
    if record.exc_info and record.exc_info[0]:
        # aiohttp's exceptions contain the request's headers, and quote what they can't parse.
        record.msg += f" ({record.exc_info[0].__name__})"
        record.exc_info = None
    return True


_sdk_logger = logging.getLogger("dashscope")
_sdk_logger.addFilter(_redact_record)
# The SDK logs every failure as an error, even if we retry. Without a handler, they would be
# printed to the user's terminal.
_sdk_logger.addHandler(logging.NullHandler())


async def connect(
    credentials: Credentials,
    *,
    certificates: tuple[str, Path] | None = None,
    has_live_links: bool = True,
) -> "DashScope":
    """Make a provider. Reading the certificates is slow, so it is done off the event loop.

    Raises:
        ConfigError: the certificates or a proxy of the environment can't be used.
    """
    if not is_this_machine(urlsplit(credentials.base_url).hostname or ""):
        check_proxies()
    tls = await asyncio.to_thread(load_certificates, certificates)
    return DashScope(credentials, tls, has_live_links=has_live_links)


class DashScope:
    """Implements the port Provider; use it on one event loop.

    `has_live_links` is False if the links of answers end with this process, as an embedded
    sandbox's do: then no generation is resumed from a link. `resolver` resolves the hosts of links,
    by default through the system.
    """

    def __init__(
        self,
        credentials: Credentials,
        tls: ssl.SSLContext,
        *,
        has_live_links: bool = True,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._credentials = credentials
        self._has_live_links = has_live_links
        self._proxy = find_proxy(credentials.base_url)
        self._session = aiohttp.ClientSession(
            connector=make_connector(
                self._proxy, ssl=tls, limit=0, connect_seconds=CONNECT_SECONDS
            ),
            middlewares=(_watch,),
            proxy=self._proxy.http_url if self._proxy else None,
            response_class=BoundedResponse,
        )
        self._links = ImageLinks(credentials.base_url, tls, resolver=resolver)

    @property
    def name(self) -> str:
        return self._credentials.provider.name

    @property
    def account(self) -> str:
        return self._credentials.account

    async def ready(self) -> None:
        """Do nothing: a provider that was made is ready."""

    async def send(self, request: ProviderRequest, *, timeout_seconds: float) -> ProviderAnswer:
        calling = _NoFileAccess.call(**self._arguments(request, timeout_seconds))
        answer = read_answer(
            await self._exchange(calling),
            model=request.model,
            key=self._credentials.key.reveal(),
            has_reference=bool(request.reference_urls),
        )
        return self._with_life(answer)

    async def create_task(self, request: ProviderRequest, *, timeout_seconds: float) -> str:
        calling = _NoFileAccess.async_call(**self._arguments(request, timeout_seconds))
        return read_task_id(
            await self._exchange(calling),
            model=request.model,
            key=self._credentials.key.reveal(),
            has_reference=bool(request.reference_urls),
        )

    async def ask_task(
        self, task_id: str, *, model: str, has_reference: bool, timeout_seconds: float
    ) -> ProviderAnswer | StillsError | None:
        key = self._credentials.key.reveal()
        asking = _NoFileAccess.query(task_id, api_key=key, **self._connection(timeout_seconds))
        exchange = await self._exchange(asking)
        outcome = read_task(exchange, model=model, key=key, has_reference=has_reference)
        return self._with_life(outcome) if isinstance(outcome, ProviderAnswer) else outcome

    async def download(self, url: str, *, timeout_seconds: float) -> Chunks:
        return await self._links.download(url, timeout_seconds=timeout_seconds)

    async def list_models(self, *, timeout_seconds: float) -> frozenset[str]:
        ids: set[str] = set()
        received = 0
        for number in range(1, PAGES_MAX + 1):
            asking = self._get_models(number, timeout_seconds)
            try:
                page = read_model_page(
                    await self._exchange(asking), key=self._credentials.key.reveal()
                )
            except StillsError as error:
                raise error.with_(billing=Billing.NONE) from error
            ids.update(page.ids)
            received += len(page.ids)
            if not page.ids or received >= page.total:
                break
        return frozenset(ids)

    async def close(self) -> None:
        await self._links.close()
        await self._session.close()

    async def _exchange(self, calling: Awaitable[object]) -> Exchange:
        """Let the SDK make one request; returns the raw response.

        Raises:
            StillsError: there was no response.
        """
        wire = Wire(self._credentials.key.reveal(), self._proxy)
        token = CURRENT_WIRE.set(wire)
        try:
            await calling
        # If there was an answer, it is read below even if the SDK failed: it can't read unexpected
        # answers, and _watch prevents it from following a redirect.
        except _WireError as error:
            if wire.exchange is None:
                raise error.error from _safe_cause(error)
        except Exception as error:
            if wire.exchange is None:
                raise _error_without_answer(error, wire) from error
        finally:
            CURRENT_WIRE.reset(token)
        if wire.exchange is None:
            raise UnexpectedAnswer("the SDK gave no answer", billing=Billing.POSSIBLE)
        return wire.exchange

    async def _get_models(self, page: int, timeout_seconds: float) -> None:
        """Ask for a page of models; not with the SDK, whose call blocks."""
        async with self._session.get(
            f"{self._credentials.base_url.rstrip('/')}/models",
            params={"page_no": page, "page_size": PAGE_SIZE},
            headers={"Authorization": f"Bearer {self._credentials.key.reveal()}"},
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            allow_redirects=False,
        ):
            pass  # _watch records the response

    def _with_life(self, answer: ProviderAnswer) -> ProviderAnswer:
        return answer if self._has_live_links else replace(answer, expires_at=0.0)

    def _arguments(self, request: ProviderRequest, timeout_seconds: float) -> dict[str, Any]:
        """Return the arguments of a call of the SDK."""
        images = [{"image": url} for url in request.reference_urls]
        optional = {
            "negative_prompt": request.negative_prompt,
            "prompt_extend_mode": request.prompt_extend_mode,
            "enable_thinking": request.enable_thinking,
        }
        return {
            "model": request.model,
            "api_key": self._credentials.key.reveal(),
            "messages": [{"role": "user", "content": [*images, {"text": request.text}]}],
            **self._connection(timeout_seconds),
            "n": request.images,
            "size": str(request.size),
            "seed": request.seed,
            "prompt_extend": request.prompt_extend,
            "watermark": request.watermark,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _connection(self, timeout_seconds: float) -> dict[str, Any]:
        return {
            "base_address": self._credentials.base_url,
            "session": self._session,
            "request_timeout": timeout_seconds,
            "user_agent": _USER_AGENT,
        }


async def _watch(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Allow one request per call, and record its raw response."""
    wire = CURRENT_WIRE.get()
    wire.sends += 1
    if wire.sends > 1:
        raise _WireError(ConnectionLost("the SDK tried to retry", billing=Billing.POSSIBLE))
    try:
        response = await handler(request)
        body = await response.read()
    except Exception as error:
        raise _WireError(translate(error, wire.proxy)) from error
    wire.exchange = Exchange(response.status, response.headers, body)
    return response


def _safe_cause(error: _WireError) -> BaseException | None:
    """Return the cause, unless it contains the request's headers or quotes the response."""
    cause = error.__cause__
    return None if isinstance(cause, aiohttp.ClientResponseError) else cause


_NOT_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
)


def translate(error: Exception, proxy: Proxy | None) -> StillsError:
    """Translate a network error, with what it means for billing."""
    reason = type(error).__name__
    explained = explain_failure(error, proxy)
    if explained is not None:
        message, action = explained
        return ServiceUnreachable(message, action=f"{action} Nothing was sent.")
    if isinstance(error, _NOT_CONNECTED):
        return ServiceUnreachable(f"no connection to the service ({reason})")
    if isinstance(error, TimeoutError):
        return AnswerTimeout("the service did not answer in time", billing=Billing.POSSIBLE)
    if isinstance(error, BodyTooLarge):
        return UnexpectedAnswer(
            f"the service's answer is over {ANSWER_MAX_BYTES // 1024 // 1024} MiB, so it was not "
            "read completely",
            billing=Billing.POSSIBLE,
        )
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return ConnectionLost(
            f"the connection to the service was lost ({reason})", billing=Billing.POSSIBLE
        )
    return UnexpectedAnswer(
        f"the service's answer can't be read ({reason})", billing=Billing.POSSIBLE
    )


def _error_without_answer(error: Exception, wire: Wire) -> StillsError:
    """Translate an exception of the SDK's when there was no answer."""
    if isinstance(error, TimeoutError):
        return AnswerTimeout("the service did not answer in time", billing=Billing.POSSIBLE)
    sent = Billing.POSSIBLE if wire.sends else Billing.NONE
    return UnexpectedAnswer(
        f"the SDK failed: {type(error).__name__}: {redact(str(error), wire.key)}", billing=sent
    )
