"""The HTTP side of the facilitator: requests in, answers out, nothing decided here."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from aiohttp import web

from ..._core.clock import Clock
from ...errors import ChainError, RpcError
from ...types import Address
from . import usage
from .batch import DataSettler
from .blobs import BlobStore, BlobStoreFullError
from .data import BatchSettlement, PrivateSettlement, SettlementHeaderError, parse_settlement
from .faults import Faults
from .heartbeat import Heartbeat, HeartbeatRelay
from .jobs import JobBook, JobQueue
from .payments import Payments
from .permit import Json, Payment, parse_payment
from .reasons import MalformedRequestError, RefusedError
from .records import Records

EXTENSIONS: Final = ("eip2612GasSponsoring", "erc20ApprovalGasSponsoring")
MAX_BODY_BYTES: Final = 1024 * 1024
MAX_HEADER_BYTES: Final = 16 * 1024
"""As in the live facilitator's runtime: an individual settlement of a long prompt does not fit."""
_MAX_EPOCHS: Final = 53

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def supported(networks: tuple[str, ...], facilitator: Address) -> dict[str, object]:
    """Return the body of ``/supported``."""
    kinds: list[dict[str, object]] = []
    for network in networks:
        kinds.append({"x402Version": 2, "scheme": "exact", "network": network})
        extra = {"facilitatorAddress": facilitator}
        kinds.append({"x402Version": 2, "scheme": "upto", "network": network, "extra": extra})
    return {
        "kinds": kinds,
        "extensions": list(EXTENSIONS),
        "signers": {"eip155:*": [facilitator]},
    }


class Routes:
    """The handlers of one facilitator."""

    def __init__(
        self,
        *,
        payments: Payments,
        data: DataSettler,
        individual: JobQueue,
        heartbeats: HeartbeatRelay,
        blobs: BlobStore,
        book: JobBook,
        records: Records,
        clock: Clock,
        faults: Faults,
        networks: tuple[str, ...],
        address: Address,
    ) -> None:
        self._payments = payments
        self._data = data
        self._individual = individual
        self._heartbeats = heartbeats
        self._blobs = blobs
        self._book = book
        self._records = records
        self._clock = clock
        self._faults = faults
        self._supported = supported(networks, address)

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/supported", self.get_supported),
                web.post("/verify", self.verify),
                web.post("/settle", self.settle),
                web.get("/settle/{job_id}", self.job),
                web.post("/settle_data", self.settle_data),
                web.post("/heartbeat", self.heartbeat),
                web.get("/health", self.health),
                web.get("/usage", self.usage),
                web.put("/v1/blobs", self.put_blob),
                web.get("/v1/blobs/{blob_id}", self.get_blob),
            ]
        )
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Apply the faults, and turn what went wrong into the error bodies of the protocol."""
        if self._faults.unavailable and request.method == "POST":
            return _error(503, "the facilitator is unavailable because a test asked for it")
        broken = request.path in ("/supported", "/verify", "/settle")
        if self._faults.broken_json and broken:
            return web.Response(text='{"kinds": [', content_type="application/json")
        try:
            return await handler(request)
        except MalformedRequestError as error:
            return _error(400, str(error))
        except ChainError as error:
            return _error(500, error.short_message)

    async def get_supported(self, _request: web.Request) -> web.Response:
        """Answer ``GET /supported``."""
        return web.json_response(self._supported)

    async def verify(self, request: web.Request) -> web.Response:
        """Answer ``POST /verify``."""
        payment = await _payment(request)
        payer = _payer(payment)
        try:
            await self._payments.verify(payment)
        except RefusedError as refusal:
            answer = {
                "isValid": False,
                "invalidReason": refusal.reason,
                "invalidMessage": refusal.message,
            }
            return web.json_response(answer | payer)
        return web.json_response({"isValid": True} | payer)

    async def settle(self, request: web.Request) -> web.Response:
        """Answer ``POST /settle``: queued, not settled."""
        job = self._payments.accept(await _payment(request))
        return web.json_response({"paymentJob": job.to_json()}, status=202)

    async def job(self, request: web.Request) -> web.Response:
        """Answer ``GET /settle/{jobId}``."""
        job_id = request.match_info["job_id"]
        job = self._book.get(job_id)
        if job is None:
            return _error(404, f"Settlement job not found: {job_id}")
        return web.json_response(job.to_json())

    async def settle_data(self, request: web.Request) -> web.Response:
        """Answer ``POST /settle_data``."""
        try:
            settlement = parse_settlement(
                request.headers.get("x-settlement-type"), request.headers.get("x-settlement-data")
            )
        except SettlementHeaderError as error:
            return _error(error.status, str(error))
        if isinstance(settlement, PrivateSettlement):
            notes = "Private settlement ignored by facilitator."
            return web.json_response({"settlementJob": None, "notes": notes}, status=202)
        if isinstance(settlement, BatchSettlement):
            job = self._data.add(settlement.leaf)
        else:
            job = await self._data.settle_individual(settlement, self._individual)
        return web.json_response({"settlementJob": job.to_json()}, status=202)

    async def heartbeat(self, request: web.Request) -> web.Response:
        """Answer ``POST /heartbeat``: 500 when the registry refused, 503 without a chain."""
        heartbeat = Heartbeat.from_json(await _object(request))
        try:
            return web.json_response(await self._heartbeats.send(heartbeat))
        except RpcError as error:
            return _error(503 if error.code is None else 500, error.short_message)

    async def health(self, _request: web.Request) -> web.Response:
        """Answer ``GET /health``."""
        return web.json_response(
            {
                "status": "ok",
                "supportedKinds": self._supported["kinds"],
                "extensions": self._supported["extensions"],
                "signers": self._supported["signers"],
            }
        )

    async def usage(self, request: web.Request) -> web.Response:
        """Answer ``GET /usage?days=1..90``."""
        days = _number(request, "days", default=30, maximum=usage.MAX_DAYS)
        now = self._clock.now()
        return web.json_response(usage.usage(self._records.settled, days=days, now=now))

    async def put_blob(self, request: web.Request) -> web.Response:
        """Answer ``PUT /v1/blobs?epochs=n`` as a Walrus publisher does."""
        epochs = _number(request, "epochs", default=1, maximum=_MAX_EPOCHS)
        try:
            return web.json_response(self._blobs.put(await request.read(), epochs=epochs))
        except BlobStoreFullError as error:
            return _error(507, str(error))

    async def get_blob(self, request: web.Request) -> web.Response:
        """Answer ``GET /v1/blobs/{id}`` as a Walrus aggregator does."""
        if self._faults.blobs_unavailable:
            return _error(503, "the blob store is unavailable because a test asked for it")
        blob = self._blobs.get(request.match_info["blob_id"])
        if blob is None:
            return _error(404, "the blob was not found")
        return web.Response(body=blob, content_type="application/octet-stream")


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


async def _object(request: web.Request) -> Json:
    """Return the JSON object in the body.

    Raises:
        MalformedRequestError: The body is something else.
    """
    try:
        body: object = json.loads(await request.text())
    except ValueError:
        raise MalformedRequestError("the body is no JSON") from None
    if not isinstance(body, Mapping):
        raise MalformedRequestError("the body must be a JSON object")
    return cast("Json", body)


async def _payment(request: web.Request) -> Payment:
    return parse_payment(await _object(request))


def _payer(payment: Payment) -> dict[str, object]:
    """Return the ``payer`` member; there is none where the payload is unreadable."""
    try:
        return {"payer": payment.permit().owner}
    except RefusedError:
        return {}


def _number(request: web.Request, name: str, *, default: int, maximum: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= maximum):
        raise MalformedRequestError(f"{name} must be a number from 1 to {maximum}")
    return int(text)
