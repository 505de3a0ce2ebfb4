"""Our client against a paid server made of the published payment library.

Once with the library's own facilitator and once with the Devnet's behind the same middleware. The
chain is anvil: there a contract named ``MockAttestation`` lets a stranger's server be registered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.devnet.accounts import devnet_key
from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.devnet.facilitator.evm import ChainReader, Rpc
from opengradient_sdk.errors import APIStatusError, PaymentRejectedError
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.payments import PaymentState
from opengradient_sdk.signers import Signer
from opengradient_sdk.types import Address, Bytes32
from opengradient_sdk.verification import Assurance, CheckStatus

from .processes import Script, script

pytestmark = [pytest.mark.interop, pytest.mark.anvil]

CHAIN_ID = 8453
MODEL = "openai/gpt-5"
PATIENCE = 60
LLM_PROXY = 0  # the registry's number for nodes that serve language models


@dataclass
class Shop:
    """A paid server made of the published library, registered as a node of a Devnet."""

    net: Devnet
    script: Script
    pay_to: Address
    tee_id: Bytes32
    answered: int = 0

    async def chat(self, client: AsyncOpenGradient, text: str) -> Reply:
        reply = await client.chat.create(model=MODEL, messages=text, node=str(self.tee_id))
        self.answered += 1
        return reply

    async def settle(self) -> list[dict[str, Any]]:
        """Return the library's successful settlements, of every session that is still open."""
        await self.script.tell(f"settle {self.answered}")
        async with asyncio.timeout(PATIENCE):
            settled = (await self.script.answer())["settled"]
        await self.net.facilitator.drain()  # it took the settlements, and makes them afterwards
        return [result for result in settled if result["success"]]

    async def earned(self) -> int:
        chain = ChainReader(Rpc(self.net.chain))
        return await chain.token_balance(addresses.OPG, self.pay_to)


@asynccontextmanager
async def open_shop(
    net: Devnet, python: Path, *, facilitator_url: str = "", asks_as_itself: bool = True
) -> AsyncIterator[Shop]:
    pay_to = (await net.new_account()).address
    async with script(python, "x402_server.py") as running:
        settings = {
            "network": f"eip155:{CHAIN_ID}",
            "opg": addresses.OPG,
            "pay_to": pay_to,
            "facilitator_url": facilitator_url,
            "rpc_url": net.chain.rpc_url,
            "private_key": "0x" + devnet_key("account-1").hex(),
            "asks_as_itself": asks_as_itself,
        }
        await running.tell(json.dumps(settings))
        async with asyncio.timeout(PATIENCE):
            born = await running.answer()
        key, certificate = bytes.fromhex(born["public_key"]), bytes.fromhex(born["certificate"])
        tee_id = await net.register(
            endpoint=born["endpoint"],
            public_key_der=key,
            tls_certificate_der=certificate,
            pay_to=pay_to,
        )
        yield Shop(net, running, pay_to, tee_id)


@pytest.fixture(scope="module")
async def net(anvil_program: Path) -> AsyncIterator[Devnet]:
    async with Devnet(evm="anvil", chain_id=CHAIN_ID, nodes=0, accounts=2) as running:
        yield running


@pytest.fixture(scope="module", params=["its own facilitator", "the Devnet's facilitator"])
async def shop(
    request: pytest.FixtureRequest, net: Devnet, x402_python: Path
) -> AsyncIterator[Shop]:
    url = net.facilitator.url if "Devnet" in request.param else ""
    async with open_shop(net, x402_python, facilitator_url=url) as running:
        yield running


@pytest.fixture
async def payer(net: Devnet) -> Signer:
    return await net.new_account(opg="10", eth="1")


@pytest.fixture
async def client(net: Devnet, payer: Signer) -> AsyncIterator[AsyncOpenGradient]:
    async with AsyncOpenGradient(signer=payer, network=net.profile, store=":memory:") as opened:
        yield opened


def costs(replies: list[Reply]) -> int:
    return sum(reply.receipt.cost.atoms for reply in replies if reply.receipt.cost)


async def settled(client: AsyncOpenGradient, reply: Reply) -> Receipt:
    receipt = await client.receipts.wait(reply.receipt, timeout=PATIENCE)
    assert receipt.payment.state in (PaymentState.SETTLED, PaymentState.FINAL)
    return receipt


def charged(receipt: Receipt) -> int:
    assert receipt.payment.amount is not None
    return receipt.payment.amount.atoms


async def test_calls_are_verified_share_a_session_and_settle(
    shop: Shop, client: AsyncOpenGradient
) -> None:
    earned = await shop.earned()
    replies = [await shop.chat(client, f"hello {index}") for index in range(3)]
    assert [reply.text for reply in replies] == [f"echo: hello {index}" for index in range(3)]
    assert {reply.receipt.assurance for reply in replies} == {Assurance.REGISTERED}
    [signed] = client.payments.unresolved
    assert signed.calls == 3
    assert len(await shop.settle()) == 1
    receipt = await settled(client, replies[-1])
    assert charged(receipt) == costs(replies) == await shop.earned() - earned
    check = receipt.evidence.get("charge")
    assert check is not None
    assert check.status is CheckStatus.PASSED


async def test_fifty_calls_at_once_share_an_open_session(
    shop: Shop, client: AsyncOpenGradient
) -> None:
    first = await shop.chat(client, "open")
    others = await asyncio.gather(*(shop.chat(client, f"call {index}") for index in range(50)))
    assert {reply.text for reply in others} == {f"echo: call {index}" for index in range(50)}
    assert len(client.payments.unresolved) == 1
    assert len(await shop.settle()) == 1
    assert charged(await settled(client, first)) == costs([first, *others])


async def test_fifty_fresh_calls_at_once_sign_once(shop: Shop, client: AsyncOpenGradient) -> None:
    """The library may make several sessions of one payment header; the chain takes one of them."""
    replies = await asyncio.gather(*(shop.chat(client, f"call {index}") for index in range(50)))
    assert len({reply.receipt.authorization.nonce for reply in replies}) == 1
    assert len(client.payments.unresolved) == 1
    await shop.settle()
    assert 0 < charged(await settled(client, replies[0])) <= costs(replies)


async def test_a_stream_is_verified_and_billed(shop: Shop, client: AsyncOpenGradient) -> None:
    async with client.chat.stream(
        model=MODEL, messages="one two three", node=str(shop.tee_id)
    ) as stream:
        pieces = [piece async for piece in stream.text_stream]
        reply = await stream.get_final_reply()
    shop.answered += 1
    assert "".join(pieces) == reply.text == "echo: one two three"
    assert len(pieces) == 4
    assert reply.receipt.assurance is Assurance.REGISTERED
    await shop.settle()
    assert charged(await settled(client, reply)) == costs([reply])


async def test_a_session_that_was_settled_is_followed_by_one_new_payment(
    shop: Shop, client: AsyncOpenGradient
) -> None:
    """The library answers 402 to the session and to the used header: only then is signed again."""
    before = await shop.chat(client, "before")
    assert len(await shop.settle()) == 1
    after = await shop.chat(client, "after")
    assert before.receipt.authorization.nonce != after.receipt.authorization.nonce
    assert len(await shop.settle()) == 1
    for reply in (before, after):
        assert charged(await settled(client, reply)) == costs([reply])


async def test_a_failed_answer_is_not_billed(shop: Shop, client: AsyncOpenGradient) -> None:
    with pytest.raises(APIStatusError):
        await client.chat.create(model=MODEL, messages="please fail", node=str(shop.tee_id))
    reply = await shop.chat(client, "again")
    assert len(client.payments.unresolved) == 1
    await shop.settle()
    assert charged(await settled(client, reply)) == costs([reply])


async def test_a_wallet_without_ether_is_sponsored(net: Devnet, x402_python: Path) -> None:
    poor = await net.new_account(opg="10")
    async with (
        open_shop(net, x402_python, facilitator_url=net.facilitator.url) as shop,
        AsyncOpenGradient(signer=poor, network=net.profile, store=":memory:") as client,
    ):
        reply = await shop.chat(client, "no ether here")
        await shop.settle()
        assert charged(await settled(client, reply)) == costs([reply])


async def test_the_library_s_facilitator_as_published_refuses_everybody(
    net: Devnet, x402_python: Path, client: AsyncOpenGradient
) -> None:
    """It simulates as the zero address; this will fail, to our joy, when that is mended."""
    async with open_shop(net, x402_python, asks_as_itself=False) as shop:
        with pytest.raises(PaymentRejectedError) as refused:
            await shop.chat(client, "hello")
    assert refused.value.reason == "permit2_simulation_failed"
