"""One JSON-RPC endpoint over HTTP: requests, batches, credentials, and how it is doing."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from typing import Final, cast
from urllib.parse import SplitResult, unquote, urlsplit

from .._core.http import HttpClient, HttpResponse
from .._core.json_in import parse_json
from ..errors import ConfigurationError, NetworkError, NodeTimeoutError
from .node_errors import Fault

RpcCall = tuple[str, Sequence[object]]
"""A method and its parameters."""

Outcome = object
"""The ``result`` of an answer, or a ``Fault``."""

_REST: Final = 5.0
_OVERLOADED: Final = (429, 502, 503, 504)


class EndpointFailure(Exception):  # noqa: N818 - internal: Rpc turns it into an RpcError
    """This endpoint gave no usable answer; another one, or a later try, may.

    ``retry_after`` is the wait in seconds that the server asked for; ``slow`` says that it used up
    its whole time.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_after: float | None = None,
        slow: bool = False,
        fault: Fault | None = None,
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.slow = slow
        self.fault = fault


class Endpoint:
    """A JSON-RPC server at one URL. Credentials in the URL are sent, and shown nowhere."""

    def __init__(self, url: str, http: HttpClient, *, timeout: float) -> None:
        parts = _split(url)
        self.name = _masked(parts)
        self.chain_id: int | None = None
        self._url, self._headers = _without_userinfo(url, parts)
        self._http = http
        self._timeout = timeout
        self._batches = True
        self._resting_until = 0.0

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r})"

    @property
    def resting(self) -> bool:
        """Whether this endpoint failed a moment ago and others should be asked first."""
        return self._resting_until > asyncio.get_running_loop().time()

    async def exchange(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        """Return the outcome of each call, in order; several calls travel as one batch.

        Raises:
            EndpointFailure: No usable answer; the endpoint is rested for some seconds.
        """
        try:
            return await self._exchange(calls)
        except EndpointFailure as failure:
            rest = _REST if failure.retry_after is None else failure.retry_after
            self._resting_until = asyncio.get_running_loop().time() + rest
            raise

    async def _exchange(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        if len(calls) == 1 or not self._batches:
            return [await self._single(call) for call in calls]
        answer = await self._post([_request(number, call) for number, call in enumerate(calls)])
        if isinstance(answer, list):
            return self._in_order(cast("list[object]", answer), len(calls))
        if isinstance(answer, Mapping):
            self._outcome(cast("Mapping[str, object]", answer))  # overloaded is not unwilling
        self._batches = False  # one error for them all: batches, or such long ones, are not taken
        return await self._exchange(calls)

    async def _single(self, call: RpcCall) -> Outcome:
        answer = await self._post(_request(0, call))
        if not isinstance(answer, Mapping):
            raise EndpointFailure("something that is not a JSON-RPC answer")
        return self._outcome(cast("Mapping[str, object]", answer))

    def _in_order(self, answers: list[object], expected: int) -> list[Outcome]:
        by_number: dict[object, Outcome] = {}
        for answer in answers:
            if not isinstance(answer, Mapping):
                raise EndpointFailure("a batch with something that is not a JSON-RPC answer")
            members = cast("Mapping[str, object]", answer)
            by_number[members.get("id")] = self._outcome(members)
        if set(by_number) != set(range(expected)):
            raise EndpointFailure(f"{len(by_number)} answers to a batch of {expected} calls")
        return [by_number[number] for number in range(expected)]

    def _outcome(self, answer: Mapping[str, object]) -> Outcome:
        if (error := answer.get("error")) is not None:
            fault = Fault.from_json(error, self.name)
            if fault.is_the_endpoints:
                raise EndpointFailure(fault.message, fault=fault)
            return fault
        if "result" not in answer:
            raise EndpointFailure("an answer with neither result nor error")
        return answer["result"]

    async def _post(self, payload: object) -> object:
        body = json.dumps(payload, separators=(",", ":")).encode()
        try:
            response = await self._http.request(
                "POST", self._url, headers=self._headers, body=body, timeout=self._timeout
            )
        except NodeTimeoutError as error:
            raise EndpointFailure(f"no answer within {self._timeout} s", slow=True) from error
        except NetworkError as error:
            raise EndpointFailure(error.short_message) from error
        return _decoded(response)


def _decoded(response: HttpResponse) -> object:
    if response.status in _OVERLOADED:
        wait = _seconds(response.headers.get("Retry-After", ""))
        raise EndpointFailure(f"HTTP {response.status}", retry_after=wait)
    try:
        return parse_json(response.body)
    except (ValueError, RecursionError):
        # an error status with a JSON-RPC body is an answer; without one it is only a status
        what = "no JSON" if response.status == 200 else f"HTTP {response.status}"
        raise EndpointFailure(what) from None


def _request(number: int, call: RpcCall) -> dict[str, object]:
    method, params = call
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _seconds(text: str) -> float | None:
    return float(text) if text.strip().isdecimal() else None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "an RPC endpoint is not an http(s) URL",
            hint="It looks like https://host/path; set OG_RPC_URL or the rpc argument.",
        )
    return parts


def _masked(parts: SplitResult) -> str:
    # providers put API keys into the path and the query, so neither is shown
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    hidden = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{host}{port}{hidden}"


def _without_userinfo(url: str, parts: SplitResult) -> tuple[str, dict[str, str]]:
    headers = {"Content-Type": "application/json"}
    if parts.username is None:
        return url, headers
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), headers
