"""A registered node that answers whatever a test tells it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.accounts import devnet_signer
from opengradient_sdk.devnet.contracts import artifacts
from opengradient_sdk.devnet.facilitator.account import Account
from opengradient_sdk.devnet.facilitator.evm import Rpc
from opengradient_sdk.devnet.node import devnet_pcrs
from opengradient_sdk.devnet.node.attestation import make_document
from opengradient_sdk.devnet.node.identity import Enclave
from opengradient_sdk.devnet.node.offers import encode_header, payment_option, payment_required
from opengradient_sdk.devnet.registrar import BUILD
from opengradient_sdk.types import Address

PAYEE: Final = devnet_signer("scripted payee").address
_TEE_PROXY: Final = 0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ScriptedNode:
    """An HTTPS server with the keys of an enclave; ``answer`` is asked for every request."""

    def __init__(self, enclave: Enclave, net: Devnet) -> None:
        self.enclave = enclave
        self.requests: list[web.BaseRequest] = []
        self.answer: Handler = _not_told
        self.endpoint = ""
        self._net = net

    @property
    def paid(self) -> list[web.BaseRequest]:
        """The requests that brought a payment or a session."""
        return [
            request
            for request in self.requests
            if {"PAYMENT-SIGNATURE", "X-Upto-Session"} & set(request.headers)
        ]

    def challenge(self) -> web.Response:
        """The 402 of an honest node."""
        option = payment_option(
            network=self._net.profile.payments.caip2,
            opg=self._net.profile.opg,
            cap=10**17,
            pay_to=PAYEE,
            facilitator=self._net.facilitator.address,
        )
        demand = payment_required(
            option, url=self.endpoint, path="/v1/chat/completions", error="Payment required"
        )
        return web.json_response(
            {}, status=402, headers={"PAYMENT-REQUIRED": encode_header(demand)}
        )

    def once_paid(self, answer: Handler) -> Handler:
        """Ask for payment, and give ``answer`` to who pays."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if request in self.paid:
                return await answer(request)
            return self.challenge()

        return handle

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return web.json_response({}, status=404)
        self.requests.append(request)
        return await self.answer(request)


async def _not_told(_request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"error": "the test did not say what to answer"}, status=500)


@asynccontextmanager
async def scripted_node(
    net: Devnet, *, registered: Enclave | None = None
) -> AsyncIterator[ScriptedNode]:
    """Serve a scripted node, listed with the keys ``registered`` instead of its own if given."""
    enclave = await Enclave.create("scripted", net.clock.now())
    node = ScriptedNode(enclave, net)
    server = web.Server(node._handle)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=enclave.ssl_context)
        await site.start()
        node.endpoint = f"https://127.0.0.1:{runner.addresses[0][1]}"
        async with listed(net, registered or enclave, node.endpoint):
            yield node
    finally:
        await runner.cleanup()
        enclave.close()


@asynccontextmanager
async def listed(
    net: Devnet, keys: Enclave, endpoint: str, *, pay_to: Address = PAYEE
) -> AsyncIterator[None]:
    """Keep keys in the registry under an endpoint, attested under the network's root."""
    contract = artifacts.load("TEERegistry")
    registry = net.profile.tee_registry
    admin = Account(Rpc(net.registry_chain), devnet_signer("admin"))
    document = make_document(
        net.nodes[0].root,
        tls_certificate_der=keys.tls_certificate_der,
        signing_key_der=keys.public_key_der,
        pcrs=devnet_pcrs(BUILD),
        now=net.clock.now(),
        nonce=None,
    )
    call = contract.encode_call(
        "registerTEEWithAttestation",
        document,
        keys.public_key_der,
        keys.tls_certificate_der,
        pay_to,
        endpoint,
        _TEE_PROXY,
    )
    await admin.execute(registry, call)
    yield
    await admin.execute(registry, contract.encode_call("disableTEE", keys.tee_id))


def usual_answer(**changes: Any) -> dict[str, Any]:
    """A chat answer without any signature."""
    message = {"role": "assistant", "content": "hello"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    } | changes
