"""A node, a customer who pays it by hand, and a facilitator that believes everything it is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.devnet.node import Node
from opengradient_sdk.types import Address

VECTORS = Path(__file__).parents[3] / "assets" / "vectors"
CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
BEARER = "Bearer 0x1234567890abcdef"
FACILITATOR = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PAYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
PAY_TO = Address("0x9deEBB5D1b22e4a6e027977CeAd13893A7E4cC1a")
OPG = Address("0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB")
REGISTRY = Address("0x703cB174AEadB35D611858369B4b1111dC9Abda6")
NETWORK = "eip155:8453"
OPTION = {
    "scheme": "upto",
    "network": NETWORK,
    "asset": str(OPG),
    "amount": "100000000000000000",
    "payTo": str(PAY_TO),
    "maxTimeoutSeconds": 300,
    "extra": {
        "name": "OpenGradient",
        "version": "1",
        "assetTransferMethod": "permit2",
        "facilitatorAddress": FACILITATOR,
    },
}
HELLO = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 64}
_NONCES = itertools.count(1)


@dataclass
class Call:
    path: str
    body: dict[str, Any]
    headers: dict[str, str]

    def data(self) -> dict[str, Any]:
        """Return what `x-settlement-data` carries."""
        return json.loads(base64.b64decode(self.headers["x-settlement-data"]))


@dataclass
class RecordingFacilitator:
    """A double: accepts every payment, settles nothing, remembers what it was asked."""

    calls: list[Call] = field(default_factory=list)
    refusal: str | None = None
    broken_json: bool = False
    calls_payments_malformed: bool = False
    refuses_settlement: bool = False
    job: dict[str, Any] = field(
        default_factory=lambda: {
            "jobId": "settlement-individual-00000000-0000-0000-0000-000000000002",
            "queue": "x402-settle-data-individual-queue-v2",
            "status": "queued",
            "settlementType": "individual",
            "queueNonce": 7,
            "signerAddress": FACILITATOR,
            "txHash": "0x" + "ab" * 32,
            "walrusBlobId": "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk",
        }
    )
    url: str = ""

    def named(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.json() if request.method == "POST" else {}
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append(Call(request.path, body, headers))
        if self.broken_json:
            return web.Response(text="<html>")
        match request.path:
            case "/supported":
                extra = {"facilitatorAddress": FACILITATOR}
                kind = {"x402Version": 2, "scheme": "upto", "network": NETWORK, "extra": extra}
                return web.json_response({"kinds": [kind]})
            case "/verify" if self.calls_payments_malformed:
                return web.json_response({"error": "Missing paymentPayload"}, status=400)
            case "/verify" if self.refusal:
                return web.json_response({"isValid": False, "invalidReason": self.refusal})
            case "/verify":
                return web.json_response({"isValid": True, "payer": PAYER})
            case "/settle" | "/heartbeat" if self.refuses_settlement:
                return web.json_response({"error": "not now"}, status=500)
            case "/settle":
                return web.json_response({"paymentJob": {"jobId": "payment-1"}}, status=202)
            case "/settle_data":
                return web.json_response({"settlementJob": self.job}, status=202)
            case _:
                return web.json_response({"success": True, "txHash": "0x" + "cd" * 32})


@dataclass
class ScriptedProvider:
    """A double: an OpenAI-compatible server that says what the vectors' model said.

    While ``gate`` is clear it holds its answers back, a stream after the first chunk; ``reached``
    tells that a request has come that far.
    """

    script: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    def __post_init__(self) -> None:
        self.gate.set()

    async def _pass_gate(self) -> None:
        self.reached.set()
        await self.gate.wait()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(await request.json())
        if request.path != "/v1/chat/completions" or "raise" in self.script:
            return web.json_response({"error": {"message": "provider down"}}, status=500)
        if self.asked[-1].get("stream"):
            return await self._stream(request)
        await self._pass_gate()
        message = {"role": "assistant", "content": self.script["content"]}
        for member in ("tool_calls", "images"):
            if member in self.script:
                message[member] = self.script[member]
        body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        if self.script.get("usage"):
            body["usage"] = _openai_usage(self.script["usage"])
        return web.json_response(body)

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for chunk in self.script["chunks"]:
            if chunk == "RAISE":
                request.transport.abort()
                return response
            delta = {name: chunk[name] for name in ("content", "tool_calls") if name in chunk}
            event = {"choices": [{"index": 0, "delta": delta}]}
            if "usage_metadata" in chunk:
                event["usage"] = _openai_usage(chunk["usage_metadata"])
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            await self._pass_gate()
        await response.write(b"data: [DONE]\n\n")
        return response


def _openai_usage(usage: dict[str, int]) -> dict[str, int]:
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
    }


@asynccontextmanager
async def serving(double: Any) -> AsyncIterator[Any]:
    """Serve a double on a free port."""
    runner = web.ServerRunner(web.Server(double.answer, max_field_size=2**20))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield double
    finally:
        await runner.cleanup()


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def session(self) -> str:
        return self.headers["X-Upto-Session"]

    @property
    def challenge(self) -> dict[str, Any]:
        return json.loads(base64.b64decode(self.headers["PAYMENT-REQUIRED"]))

    @property
    def events(self) -> list[str]:
        """Return the data of the server-sent events."""
        return [event.removeprefix("data: ") for event in self.text.split("\n\n") if event]

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(event) for event in self.events if event != "[DONE]"]


def payment(nonce: int | None = None, *, indent: int | None = None, **changes: Any) -> str:
    """Return a PAYMENT-SIGNATURE header; its signature is for facilitators that do not look."""
    permit = {
        "from": PAYER,
        "permitted": {"token": str(OPG), "amount": OPTION["amount"]},
        "spender": "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002",
        "nonce": str(next(_NONCES) if nonce is None else nonce),
        "deadline": "1795342205",
        "witness": {"to": str(PAY_TO), "facilitator": FACILITATOR, "validAfter": "1795341305"},
    }
    content = {
        "x402Version": 2,
        "payload": {"permit2Authorization": permit, "signature": "0x" + "11" * 65},
        "accepted": {**OPTION},
    } | changes
    return base64.b64encode(json.dumps(content, indent=indent).encode()).decode()


class Customer:
    """Talks to one node over TLS, with the certificate pinned."""

    def __init__(self, node: Node, http: aiohttp.ClientSession) -> None:
        self.node = node
        self._http = http

    @classmethod
    async def of(cls, node: Node, stack: AsyncExitStack) -> Self:
        pin = aiohttp.Fingerprint(hashlib.sha256(node.tls_certificate_der).digest())
        connector = aiohttp.TCPConnector(ssl=pin, limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        return cls(node, http)

    async def send(
        self, method: str, path: str, *, data: bytes | None = None, headers: dict[str, str]
    ) -> Reply:
        async with self._http.request(
            method, self.node.endpoint + path, data=data, headers=headers, allow_redirects=False
        ) as response:
            return Reply(response.status, dict(response.headers), await response.text())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.send("GET", path, headers=headers)

    async def post(
        self,
        body: dict[str, Any] | bytes = HELLO,
        *,
        path: str = CHAT,
        pay: str | None = None,
        session: str | None = None,
        kind: str | None = None,
        **headers: str,
    ) -> Reply:
        """Post a request with whatever it is paid by."""
        sent = {"Content-Type": "application/json", "Authorization": BEARER, **headers}
        for name, value in (
            ("PAYMENT-SIGNATURE", pay),
            ("X-Upto-Session", session),
            ("X-SETTLEMENT-TYPE", kind),
        ):
            if value is not None:
                sent[name] = value
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.send("POST", path, data=data, headers=sent)

    async def paid(self, body: dict[str, Any] | bytes = HELLO, **options: Any) -> Reply:
        """Post a request with a payment of its own."""
        return await self.post(body, pay=payment(), **options)


@dataclass
class Scene:
    """A node with its customer, its facilitator and their clock."""

    node: Node
    customer: Customer
    facilitator: RecordingFacilitator
    clock: ShiftedClock


@asynccontextmanager
async def scene(**options: Any) -> AsyncIterator[Scene]:
    """Set up a scene; ``options`` go to the node."""
    clock = ShiftedClock()
    async with AsyncExitStack() as stack:
        double = await stack.enter_async_context(serving(RecordingFacilitator()))
        node = Node(
            name="alpha",
            facilitator_url=double.url,
            chain_id=8453,
            opg=OPG,
            clock=clock,
            pay_to=PAY_TO,
            heartbeat_contract=REGISTRY,
            **options,
        )
        await node.start()
        stack.push_async_callback(node.stop)
        yield Scene(node, await Customer.of(node, stack), double, clock)


@dataclass
class ScriptedScene(Scene):
    provider: ScriptedProvider


@asynccontextmanager
async def scripted_scene(**options: Any) -> AsyncIterator[ScriptedScene]:
    """Set up a scene whose node asks a scripted provider."""
    async with (
        serving(ScriptedProvider()) as provider,
        scene(upstream=f"{provider.url}/v1", **options) as it,
    ):
        yield ScriptedScene(it.node, it.customer, it.facilitator, it.clock, provider)


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedScene]:
    """An April node in front of a scripted provider, as the vectors were recorded."""
    async with scripted_scene(mode="april") as it:
        yield it


@pytest.fixture
async def july() -> AsyncIterator[Scene]:
    async with scene() as it:
        yield it


@pytest.fixture
async def april() -> AsyncIterator[Scene]:
    async with scene(mode="april") as it:
        yield it
