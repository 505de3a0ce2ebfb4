"""A registered node over pinned HTTPS, and the OPG price that it publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal, InvalidOperation
from typing import Final

from .._core.clock import Clock
from .._core.http import HttpClient, HttpResponse, HttpStream
from .._core.json_in import parse_json
from ..errors import NetworkError, NodeProtocolError
from .records import NodeRecord

_PRICE_MAX_AGE: Final = 300.0
_PRICE_RENEWED_AT: Final = 150.0
"""Seconds after which a price is read again, so that it lasts for a call that begins now."""
_PRICE_RETRY: Final = 60.0
"""Seconds until a node is asked again that gave no answer: every call would wait for it."""
_FREE_TIMEOUT: Final = 10.0
_LOWEST_USD: Final = Decimal("1e-9")
_HIGHEST_USD: Final = Decimal("1e9")
"""A price outside is a mistake or a trick: with it, the cost of a call would be no number."""

_BEARER: Final = "Bearer opengradient-sdk"
"""Nodes demand some bearer token on every paid route and ignore its value."""


class NodeConnection:
    """Requests to one node, whose certificate must be the registered one byte for byte.

    **Trust**: the pin proves that the node which the registry lists under ``record.tee_id`` is at
    the other end, as far as that registry and its RPC are trusted.
    """

    def __init__(self, http: HttpClient, record: NodeRecord, clock: Clock) -> None:
        self.record = record
        self._http = http
        self._clock = clock
        self._base = record.endpoint.rstrip("/")
        self._price: Decimal | None = None
        self._price_read_at = self._price_asked_at = float("-inf")
        self._pricing = asyncio.Lock()

    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str], *, timeout: float
    ) -> HttpResponse:
        """POST ``body`` and return the whole answer, whatever its status.

        Raises:
            NetworkError: Below HTTP; ``TransportError.sent`` says whether it may have arrived.
        """
        return await self._http.request(
            "POST",
            self._base + path,
            headers=_with_defaults(headers),
            body=body,
            pin=self.record.tls_certificate_der,
            timeout=timeout,
        )

    def stream(
        self, path: str, body: bytes, headers: Mapping[str, str], *, timeout: float
    ) -> AbstractAsyncContextManager[HttpStream]:
        """POST ``body`` and hand over the answer while it arrives; errors as ``post``."""
        return self._http.stream(
            "POST",
            self._base + path,
            headers=_with_defaults(headers),
            body=body,
            pin=self.record.tls_certificate_der,
            timeout=timeout,
        )

    async def attestation(self, nonce: bytes) -> str:
        """Return the base64 of an attestation document that the node makes for ``nonce``.

        **Trust**: nothing by itself; the document proves something once it is verified.

        Raises:
            NetworkError: The node could not be asked, or gave no document.
        """
        answer = await self._http.request(
            "GET",
            f"{self._base}/enclave/attestation?nonce={nonce.hex()}",
            pin=self.record.tls_certificate_der,
            timeout=_FREE_TIMEOUT,
        )
        if answer.status != 200:
            raise NodeProtocolError(
                f"node {self.record.tee_id} gave no attestation document ({answer.status})",
                hint="Use another node, or require less than ATTESTED.",
            )
        return answer.body.decode("ascii", "replace").strip()

    @property
    def last_opg_usd(self) -> Decimal | None:
        """The price last read, while it is not older than 5 minutes."""
        return self._price if self._since(self._price_read_at) < _PRICE_MAX_AGE else None

    async def opg_usd(self) -> Decimal | None:
        """Return the USD price of one OPG that the node bills with; ``None`` if it shows none.

        **Trust**: the node's own statement over the pinned connection; no signature covers it.
        """
        if self.last_opg_usd is None:
            await self._read_price()
        return self.last_opg_usd

    async def keep_priced(self) -> None:
        """Have a price that will not be too old when a call that begins now is answered.

        Who opens a session has read it; who goes on with another client's, or with one that is
        older than the price, has not, and could not say what an answer cost. Where there is none
        to be had, not every call asks again.
        """
        if self._since(self._price_read_at) < _PRICE_RENEWED_AT:
            return
        async with self._pricing:
            if (
                self._since(self._price_read_at) >= _PRICE_RENEWED_AT
                and self._since(self._price_asked_at) >= _PRICE_RETRY
            ):
                await self._read_price()

    def _since(self, then: float) -> float:
        """Return the seconds since ``then``; endless where the clock was set back meanwhile."""
        seconds = self._clock.now() - then
        return seconds if seconds >= 0 else float("inf")

    async def _read_price(self) -> None:
        self._price_asked_at = self._clock.now()
        try:
            answer = await self._http.request(
                "GET",
                self._base + "/health",
                pin=self.record.tls_certificate_der,
                timeout=_FREE_TIMEOUT,
            )
        except NetworkError:
            return  # a node without a price can still be called; the cost stays unknown
        self._price = _published_price(answer)
        self._price_read_at = self._clock.now()


def _with_defaults(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Content-Type": "application/json", "Authorization": _BEARER, **headers}


def _published_price(answer: HttpResponse) -> Decimal | None:
    if answer.status != 200:
        return None
    try:
        health = parse_json(answer.body)
        price = Decimal(str(health["price_feed"]["price_usd"]))  # type: ignore[index]
    except (ValueError, TypeError, KeyError, InvalidOperation):
        return None
    return price if price.is_finite() and _LOWEST_USD <= price <= _HIGHEST_USD else None
