"""The HTTPS server of a node: paths, methods, and who answers what (protocol notes 3.1)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from aiohttp import web

from ..._core.clock import Clock
from .ambush import Mishap, Serve
from .attestation import NONCE_BYTES
from .doorstep import Doorstep
from .duties import Heartbeat
from .faults import Faults
from .identity import Enclave
from .inference import Inference
from .line import Line, RequestHead, line_of
from .offers import DESCRIPTIONS
from .paywall import Paywall
from .pricing import PriceList
from .responses import (
    Refusal,
    error,
    internal_error,
    json_response,
    method_not_allowed,
    not_found,
    problem,
)
from .shapes import JsonObject

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

_LOG: Final = logging.getLogger(__name__)
_LOOPBACK: Final = "127.0.0.1"
_VERSION: Final = "1.0.0"
_LARGEST_BODY: Final = 64 * 2**20
_SHUTDOWN_SECONDS: Final = 1.0
_BACKLOG: Final = 1024
_PRICE_REFRESH_SECONDS: Final = 300


class NodeServer:
    """Serves a node on a free port of the loopback interface."""

    def __init__(
        self,
        *,
        enclave: Enclave,
        paywall: Paywall,
        inference: Inference,
        heartbeat: Heartbeat,
        prices: PriceList,
        attest: Callable[[bytes], bytes],
        wallet: str,
        clock: Clock,
        faults: Faults,
    ) -> None:
        self.requests: Counter[str] = Counter()
        self._enclave = enclave
        self._paywall = paywall
        self._inference = inference
        self._heartbeat = heartbeat
        self._prices = prices
        self._attest = attest
        self._wallet = wallet
        self._clock = clock
        self._faults = faults
        self._started = int(clock.now())
        self._runner: web.ServerRunner | None = None
        self._listener: asyncio.Server | None = None
        self._lines: WeakSet[Line] = WeakSet()
        self._free: dict[str, Callable[[web.BaseRequest], web.Response]] = {
            "/health": self._health,
            "/signing-key": self._signing_key,
            "/enclave/attestation": self._attestation,
            "/heartbeat/status": self._heartbeat_status,
        }

    async def start(self) -> int:
        """Start to serve; return the port."""
        server = web.Server(self._handle, request_factory=_request, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        doorstep = Doorstep(_LOOPBACK, backlog=_BACKLOG, refuses=self._refuses)
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: self._line(server()),
            sock=doorstep,
            ssl=self._enclave.ssl_context,
            backlog=_BACKLOG,
        )
        return doorstep.port

    async def stop(self) -> None:
        """Close the port and the connections."""
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def hang_up_idle(self) -> None:
        """Close the connections on which nothing is under way; return when they are gone."""
        for line in [line for line in self._lines if line.idle]:
            line.cut()
            await line.lost.wait()

    def _line(self, protocol: RequestHandler) -> Line:
        line = Line(protocol, self._meets)
        self._lines.add(line)
        return line

    def _refuses(self) -> bool:
        return any(ambush.refuses() for ambush in self._faults.ambushes)

    def _meets(self, head: RequestHead) -> Mishap | None:
        """Return what the first ambush that wants this request has for it."""
        if head.method != "POST" or _route_of(head.path) not in DESCRIPTIONS:
            return None
        mishaps = (ambush.meets(head) for ambush in self._faults.ambushes)
        return next((mishap for mishap in mishaps if mishap is not None), None)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests[request.path] += 1
        line = line_of(request.transport)
        if line is None:
            return await self._answer(request, self._faults)
        mishap = line.take_mishap()
        with line.busy():
            if mishap is None:
                return await self._answer(request, self._faults)
            return await mishap.answer(line, self._serving(request, mishap.bend(self._faults)))

    def _serving(self, request: web.BaseRequest, faults: Faults) -> Serve:
        async def serve() -> web.StreamResponse:
            response = await self._answer(request, faults)
            try:
                await response.prepare(request)
                await response.write_eof()
            except ConnectionError:
                pass  # nobody is there to read it; the work is done or was refused all the same
            return response

        return serve

    async def _answer(self, request: web.BaseRequest, faults: Faults) -> web.StreamResponse:
        if faults.redirect is not None:
            return web.Response(status=307, headers={"Location": faults.redirect})
        try:
            return await self._route(request, faults)
        except Refusal as refusal:
            return refusal.response()
        except ConnectionError:
            return web.Response()  # the client has gone: nobody hears this
        except Exception:  # noqa: BLE001 - a server outlives its handlers; what failed is logged
            _LOG.exception("%s %s failed", request.method, request.path)
            return internal_error().response()

    async def _route(self, request: web.BaseRequest, faults: Faults) -> web.StreamResponse:
        path = request.path
        # the payment layer is laxer about paths than the routes behind it
        paid = _route_of(path)
        if request.method == "POST" and paid in DESCRIPTIONS:
            session = await self._paywall.admit(request, paid, faults)
            if path != paid:
                raise not_found(session.id)
            return await self._inference.answer(request, path, session, faults)
        if path in DESCRIPTIONS:
            raise method_not_allowed("POST, OPTIONS")
        if path == "/v1/keys":
            raise _keys_refused(await request.read(), request.method)
        answer = self._free.get(path)
        if answer is None:
            raise not_found()
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed("GET, HEAD, OPTIONS")
        return answer(request)

    def _health(self, _request: web.BaseRequest) -> web.Response:
        price_feed: JsonObject = {
            "price_usd": float(self._prices.opg_usd),
            "last_success": self._started,
            "last_error": None,
            "consecutive_failures": 0,
            "total_fetches": 1,
            "total_errors": 0,
            "refresh_interval": _PRICE_REFRESH_SECONDS,
        }
        if self._faults.price_unavailable:
            price_feed |= {"price_usd": None, "last_success": None, "total_fetches": 0}
        return json_response(
            {"status": "OK", "version": _VERSION, "tee_enabled": True, "price_feed": price_feed}
        )

    def _signing_key(self, _request: web.BaseRequest) -> web.Response:
        now = dt.datetime.fromtimestamp(self._clock.now(), dt.UTC)
        return json_response(
            {
                "public_key": self._enclave.public_key_pem.decode(),
                "tee_id": str(self._enclave.tee_id),
                "wallet_address": self._wallet,
                "timestamp": now.isoformat(),
                "enclave_info": {
                    "platform": "aws-nitro",
                    "instance_type": "tee-enabled",
                    "version": _VERSION,
                },
                "measurements": None,
            }
        )

    def _attestation(self, request: web.BaseRequest) -> web.Response:
        try:
            nonce = binascii.unhexlify(request.query.get("nonce", ""))
        except (binascii.Error, ValueError):
            nonce = b""
        if len(nonce) != NONCE_BYTES:
            raise problem(400, f"nonce: {2 * NONCE_BYTES} hex digits are needed")
        return web.Response(text=base64.b64encode(self._attest(nonce)).decode() + "\n")

    def _heartbeat_status(self, _request: web.BaseRequest) -> web.Response:
        return json_response(self._heartbeat.status())


def _route_of(path: str) -> str:
    """Return the paid route that a path means to the payment layer."""
    return path.rstrip("/").lower()


def _keys_refused(body: bytes, method: str) -> Refusal:
    """Refuse the operator's route, which is used once, at the start (protocol notes 3.1)."""
    if method != "POST":
        return method_not_allowed("POST, OPTIONS")
    if not body:
        return error(400, "JSON body required")
    return error(409, "API keys are already set")


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """Make aiohttp's request object, which may carry images and files."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY
    )
