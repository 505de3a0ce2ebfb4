"""The node's side of the facilitator's HTTP API (protocol notes 2.9, 5.5)."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, Final

import aiohttp

from .faults import Faults
from .shapes import JsonObject, as_list, as_object, is_object

X402_VERSION: Final = 2
SCHEME: Final = "upto"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class FacilitatorError(Exception):
    """The facilitator cannot be reached, failed, or answered something that is not its protocol."""


class FacilitatorRefusedError(FacilitatorError):
    """The facilitator answered that the request itself is bad (4xx); the message is its answer."""


class FacilitatorClient:
    """Calls a facilitator for one node. No request is made before ``start``."""

    def __init__(self, url: str, network: str, faults: Faults) -> None:
        self._url = url.rstrip("/")
        self._faults = faults
        self._network = network
        self._http: aiohttp.ClientSession | None = None
        self._address: str | None = None
        self._asking = asyncio.Lock()

    @property
    def url(self) -> str:
        """The base URL."""
        return self._url

    async def start(self) -> None:
        """Open the connection pool."""
        self._http = aiohttp.ClientSession(
            timeout=_TIMEOUT, connector=aiohttp.TCPConnector(limit=0)
        )

    async def stop(self) -> None:
        """Close the connection pool."""
        if self._http is not None:
            await self._http.close()

    async def address(self) -> str:
        """Return the address that settles ``upto`` payments; asked for once, at the first need.

        Raises:
            FacilitatorError: It does not serve this network, or cannot be asked.
        """
        async with self._asking:
            if self._address is None:
                self._address = _settling_address(await self._get("/supported"), self._network)
            return self._address

    async def verify(self, payment: JsonObject, requirements: JsonObject) -> str | None:
        """Return ``None`` for a valid payment, else the reason code, or what else was wrong.

        Raises:
            FacilitatorError: It cannot be reached, failed, or talks nonsense.
        """
        try:
            answer = await self._post("/verify", _exchange(payment, requirements))
        except FacilitatorRefusedError as refusal:
            return str(refusal)
        if answer.get("isValid") is True:
            return None
        return str(answer.get("invalidReason") or "invalid_payment")

    async def settle(self, payment: JsonObject, requirements: JsonObject) -> str:
        """Hand a payment in for settlement; return the job id, or the transaction hash.

        Raises:
            FacilitatorError: It was not accepted.
        """
        answer = await self._post("/settle", _exchange(payment, requirements))
        job = answer.get("paymentJob")
        if is_object(job) and job.get("jobId"):
            return str(job["jobId"])
        if answer.get("success") is True:
            return str(answer.get("transaction"))
        raise FacilitatorError(f"/settle: {answer.get('errorReason') or answer}")

    async def settle_data(self, kind: str, data: JsonObject) -> JsonObject:
        """Hand in the hashes of an answer; return the job (empty if there is none)."""
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        headers = {
            "x-settlement-type": kind,
            "x-settlement-data": base64.b64encode(text.encode()).decode(),
        }
        answer = await self._post("/settle_data", {}, headers)
        job = answer.get("settlementJob")
        return dict(job) if is_object(job) else {}

    async def heartbeat(self, message: JsonObject) -> JsonObject:
        """Have a signed heartbeat submitted; return the facilitator's receipt."""
        return await self._post("/heartbeat", message)

    async def _get(self, path: str) -> JsonObject:
        return await self._request("GET", path, None, {})

    async def _post(
        self, path: str, body: JsonObject, headers: dict[str, str] | None = None
    ) -> JsonObject:
        return await self._request("POST", path, body, headers or {})

    async def _request(
        self, method: str, path: str, body: JsonObject | None, headers: dict[str, str]
    ) -> JsonObject:
        assert self._http is not None, "the facilitator client is used before start()"
        if self._faults.facilitator_down:
            raise FacilitatorError(f"{path}: unreachable, because the node was told so")
        try:
            async with self._http.request(
                method, self._url + path, json=body, headers=headers
            ) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as failure:
            raise FacilitatorError(f"{path}: {failure or type(failure).__name__}") from failure
        if response.status >= 400:
            kind = FacilitatorError if response.status >= 500 else FacilitatorRefusedError
            raise kind(f"{path}: {response.status} {text[:200]}")
        return _object(path, text)


def _object(path: str, text: str) -> JsonObject:
    try:
        answer: Any = json.loads(text)
    except ValueError as failure:
        raise FacilitatorError(f"{path}: not JSON: {text[:80]!r}") from failure
    if not is_object(answer):
        raise FacilitatorError(f"{path}: not an object: {text[:80]!r}")
    return answer


def _exchange(payment: JsonObject, requirements: JsonObject) -> JsonObject:
    return {
        "x402Version": X402_VERSION,
        "paymentPayload": payment,
        "paymentRequirements": requirements,
    }


def _settling_address(supported: JsonObject, network: str) -> str:
    for kind in map(as_object, as_list(supported.get("kinds"))):
        if kind.get("scheme") == SCHEME and kind.get("network") == network:
            address = as_object(kind.get("extra")).get("facilitatorAddress")
            if isinstance(address, str):
                return address
    raise FacilitatorError(f"/supported: no {SCHEME} on {network}")
