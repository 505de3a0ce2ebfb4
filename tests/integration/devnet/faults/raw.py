"""A customer who speaks plain HTTP over aiohttp, and bytes where HTTP hides too much."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from eth_abi import encode

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.devnet.facilitator.abi import selector
from opengradient_sdk.devnet.facilitator.account import Account
from opengradient_sdk.devnet.facilitator.evm import Rpc
from opengradient_sdk.devnet.facilitator.permit import Permit
from opengradient_sdk.devnet.node import Node, Session
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.signers import LocalSigner

CHAT: Final = "/v1/chat/completions"
PAYMENT: Final = "PAYMENT-SIGNATURE"
SESSION: Final = "X-Upto-Session"
_LIFETIME: Final = 300


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.raw)

    @property
    def frames(self) -> list[str]:
        """The data of the server-sent events."""
        return [part.removeprefix("data: ") for part in self.raw.decode().split("\n\n") if part]

    @property
    def challenge(self) -> dict[str, Any]:
        return json.loads(base64.b64decode(self.headers["PAYMENT-REQUIRED"]))

    @property
    def answer(self) -> dict[str, Any]:
        """The signed object: the body, or the last frame of a stream."""
        if self.raw.startswith(b"data:"):
            return json.loads(self.frames[-2])
        return self.json


@dataclass
class Payer:
    """One wallet at one node. Nothing is retried, verified or remembered."""

    net: Devnet
    node: Node
    http: aiohttp.ClientSession
    wallet: LocalSigner

    async def pay(self) -> dict[str, str]:
        """Return a payment header for a session of the whole cap."""
        option = (await self.post({})).challenge["accepts"][0]
        now = int(self.net.clock.now())
        permit = Permit(
            owner=self.wallet.address,
            token=DEVNET.opg,
            cap=int(option["amount"]),
            spender=DEVNET.upto_proxy,
            nonce=secrets.randbits(256),
            deadline=now + _LIFETIME,
            recipient=self.node.pay_to,
            facilitator=self.net.facilitator.address,
            valid_after=now - 600,
            signature=b"",
        )
        signature = await self.wallet.sign_typed_data(permit.typed_data(self.net.chain.chain_id))
        authorization = {
            "from": permit.owner,
            "permitted": {"token": permit.token, "amount": str(permit.cap)},
            "spender": permit.spender,
            "nonce": str(permit.nonce),
            "deadline": str(permit.deadline),
            "witness": {
                "to": permit.recipient,
                "validAfter": str(permit.valid_after),
                "facilitator": permit.facilitator,
            },
        }
        payload = {"permit2Authorization": authorization, "signature": "0x" + signature.hex()}
        payment = {"x402Version": 2, "payload": payload, "accepted": option, "extensions": {}}
        return {PAYMENT: base64.b64encode(json.dumps(payment).encode()).decode()}

    async def open(self) -> dict[str, str]:
        """Pay honestly; return the header of the session."""
        reply = await self.post(await self.pay())
        assert reply.status == 200, reply
        return {SESSION: reply.headers[SESSION]}

    async def paid(self, how: str) -> dict[str, str]:
        """Return what pays the next request: a ``first`` payment or a ``session``."""
        return await (self.pay() if how == "first" else self.open())

    async def post(
        self, payment: dict[str, str], *, stream: bool = False, timeout: float = 20
    ) -> Reply:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer 0x", **payment}
        async with self.http.post(
            self.node.endpoint + CHAT,
            data=question(stream=stream),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout),
        ) as response:
            return Reply(response.status, dict(response.headers), await response.read())

    def request(self, payment: dict[str, str], *, stream: bool = False) -> bytes:
        """Return the bytes of a request."""
        body = question(stream=stream)
        headers = {
            "Host": "127.0.0.1",
            "Content-Type": "application/json",
            "Authorization": "Bearer 0x",
            "Content-Length": str(len(body)),
            **payment,
        }
        head = [f"POST {CHAT} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
        return "\r\n".join([*head, "", ""]).encode() + body

    async def exchange(self, request: bytes) -> bytes:
        """Send bytes on a connection of their own; return all that comes until it ends."""
        port = int(self.node.endpoint.rpartition(":")[2])
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        answer = b""
        try:
            writer.write(request)
            while piece := await reader.read(2**16):
                answer += piece
        except ConnectionError:
            pass  # a reset ends it too
        finally:
            writer.transport.abort()
        return answer

    @property
    def sessions(self) -> list[Session]:
        mine = self.wallet.address.lower()
        return [session for session in self.node.sessions if session.payer == mine]

    @property
    def calls(self) -> int:
        """How many answers were billed to this wallet."""
        return sum(session.billed for session in self.sessions)


def question(*, stream: bool) -> bytes:
    messages = [{"role": "user", "content": "Say three words."}]
    body = {"model": "gpt-5", "messages": messages, "max_tokens": 64, "stream": stream}
    return json.dumps(body).encode()


@asynccontextmanager
async def new_payer(net: Devnet, node: int = 0) -> AsyncIterator[Payer]:
    """A wallet with money and an allowance, and a connection pool that pins the node."""
    wallet = await net.new_account(opg="10", eth="1")
    assert isinstance(wallet, LocalSigner)
    approve = selector("approve(address,uint256)")
    approve += encode(["address", "uint256"], [DEVNET.permit2, 10**19])
    await Account(Rpc(net.chain), wallet).execute(addresses.OPG, approve)
    pin = aiohttp.Fingerprint(hashlib.sha256(net.nodes[node].tls_certificate_der).digest())
    connector = aiohttp.TCPConnector(ssl=pin, limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Payer(net, net.nodes[node], http, wallet)
