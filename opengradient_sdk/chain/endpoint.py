"""One JSON-RPC endpoint over HTTP: credentials, batches, patience, and how it is doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from time import monotonic
from typing import Final

from .._core.http import HttpClient, HttpResponse
from .._core.urls import ServerUrl
from ..errors import ConfigurationError, NetworkError, NodeTimeoutError, TransportError
from .health import EndpointHealth, Pulse
from .jsonrpc import AnswerError, decode, encode
from .jsonrpc import Outcome as Outcome
from .jsonrpc import RpcCall as RpcCall
from .node_errors import Fault
from .pacing import Pacer

LONGEST_BATCH: Final = 100
"""Calls in one HTTP request, at most."""

_BREATH: Final = 0.25
_OVERLOADED: Final = (429, 502, 503, 504)
_TOO_MANY: Final = 429
_TOO_LARGE: Final = 413


class EndpointFailure(Exception):  # noqa: N818 - internal: Rpc turns it into an RpcError
    """This endpoint gave no usable answer; another one, or a later try, may.

    ``retry_after`` is the wait in seconds that the server asked for; ``slow`` says that it used up
    its whole time; ``may_have_arrived`` says that the calls may have been carried out.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_after: float | None = None,
        slow: bool = False,
        may_have_arrived: bool = True,
        fault: Fault | None = None,
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.slow = slow
        self.may_have_arrived = may_have_arrived
        self.fault = fault


class Endpoint:
    """A JSON-RPC server at one URL. Credentials in the URL are sent, and shown nowhere."""

    def __init__(
        self,
        url: str,
        http: HttpClient,
        *,
        timeout: float,
        max_per_second: float | None = None,
    ) -> None:
        self._server = _server(url)
        self.chain_id: int | None = None
        self.pulse = Pulse()
        self._headers = _headers(self._server)
        self._http = http
        self._timeout = timeout
        self._pacer = Pacer(max_per_second)
        self._longest = LONGEST_BATCH + 1  # the question for the chain's id rides along
        # never the same id twice: an answer that is late is the answer to nothing
        self._ids = count()

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r})"

    @property
    def name(self) -> str:
        """The server, for messages: no path, no credentials."""
        return self._server.name

    def health(self) -> EndpointHealth:
        """Return how this endpoint is doing."""
        return self.pulse.health(self.name)

    async def exchange(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        """Return the outcome of each call, in order; several calls travel as one batch.

        A server that takes no batches, or shorter ones, is asked as it likes, still in order.

        Raises:
            EndpointFailure: No usable answer; the endpoint is rested for some seconds.
        """
        self.pulse.begun()
        try:
            return await self._exchange(calls)
        except EndpointFailure as failure:
            self.pulse.failed(failure.retry_after)
            if failure.retry_after is not None:
                self._pacer.hold(failure.retry_after)
            raise
        finally:
            self.pulse.ended()

    def slow_down(self) -> None:
        """Note that the server answered a call with its rate limit, naming no wait."""
        self.pulse.failed()
        self._pacer.hold(_BREATH)

    async def _exchange(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        found: list[Outcome] = []
        while len(found) < len(calls):
            some = calls[len(found) : len(found) + self._longest]
            outcomes = await self._post(some)
            if outcomes is None:
                self._longest = max(1, len(some) // 2)
            else:
                found += outcomes
        return found

    async def _post(self, calls: Sequence[RpcCall]) -> list[Outcome] | None:
        first_id = next(self._ids)
        for _ in calls[1:]:
            next(self._ids)
        await self._pacer.turn(len(calls))
        began = monotonic()
        response = await self._send(encode(calls, first_id))
        if response.status == _TOO_LARGE and len(calls) > 1:
            return None
        outcomes = self._read(response, first_id, len(calls))
        self.pulse.succeeded(monotonic() - began)
        return outcomes

    async def _send(self, body: bytes) -> HttpResponse:
        try:
            response = await self._http.request(
                "POST",
                self._server.address,
                headers=self._headers,
                body=body,
                timeout=self._timeout,
            )
        except NodeTimeoutError as error:
            raise EndpointFailure(f"no answer within {self._timeout} s", slow=True) from error
        except NetworkError as error:
            sent = not isinstance(error, TransportError) or error.sent
            raise EndpointFailure(error.short_message, may_have_arrived=sent) from error
        if response.status in _OVERLOADED:
            raise EndpointFailure(
                f"HTTP {response.status}",
                retry_after=_wait_asked(response.headers),
                may_have_arrived=response.status != _TOO_MANY,
            )
        return response

    def _read(self, response: HttpResponse, first_id: int, count: int) -> list[Outcome] | None:
        # an error status with a JSON-RPC body is an answer; without one it is only a status
        try:
            return decode(response.body, first_id, count, self.name)
        except AnswerError as error:
            reason = str(error) if response.status == 200 else f"HTTP {response.status}"
            raise EndpointFailure(reason, fault=error.fault) from None


def _wait_asked(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of ``Retry-After``, which may be a date, by the server's own clock."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    until = _date(text)
    if until is None:
        return None
    now = _date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _server(url: str) -> ServerUrl:
    try:
        return ServerUrl.parse(url)
    except ValueError as error:
        raise ConfigurationError(
            f"an RPC endpoint is {error}",
            hint="It looks like https://host/path; set OG_RPC_URL or the rpc argument.",
        ) from None


def _headers(server: ServerUrl) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if server.authorization:
        headers["Authorization"] = server.authorization
    return headers
