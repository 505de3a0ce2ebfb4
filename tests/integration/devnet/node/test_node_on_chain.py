"""A node with the Devnet's own facilitator on a real chain: what is served is what is paid."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from eth_abi import encode

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.devnet.contracts import genesis_alloc
from opengradient_sdk.devnet.contracts.addresses import SETTLEMENT_RELAY, TEE_REGISTRY
from opengradient_sdk.devnet.evm import PyEvm
from opengradient_sdk.devnet.facilitator import Facilitator
from opengradient_sdk.devnet.facilitator.permit import Permit as SignedPermit
from opengradient_sdk.devnet.node import Node, SessionState
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import PreparedTx, keccak256

from .conftest import PAY_TO, Customer

_CHAIN_ID = 31337
_CAP = 10**17
_APPROVE = keccak256(b"approve(address,uint256)")[:4]
_BALANCE_OF = keccak256(b"balanceOf(address)")[:4]


@dataclass
class Market:
    """A chain, a facilitator, a node, and a payer who has given Permit2 its allowance."""

    chain: PyEvm
    clock: ShiftedClock
    facilitator: Facilitator
    node: Node
    customer: Customer
    payer: LocalSigner

    async def permit(self, *, nonce: int | None = None, indent: int | None = None) -> str:
        """Return the header of a signed payment that takes the node's offer."""
        offer = (await self.customer.post()).challenge["accepts"][0]
        now = int(self.clock.now())
        permit = SignedPermit(
            owner=self.payer.address,
            token=DEVNET.opg,
            cap=int(offer["amount"]),
            spender=DEVNET.upto_proxy,
            nonce=secrets.randbits(256) if nonce is None else nonce,
            deadline=now + offer["maxTimeoutSeconds"],
            recipient=PAY_TO,
            facilitator=self.facilitator.address,
            valid_after=now - 600,
            signature=b"",
        )
        signature = await self.payer.sign_typed_data(permit.typed_data(_CHAIN_ID))
        authorization = {
            "from": permit.owner,
            "permitted": {"token": permit.token, "amount": str(permit.cap)},
            "spender": permit.spender,
            "nonce": str(permit.nonce),
            "deadline": str(permit.deadline),
            "witness": {
                "to": PAY_TO,
                "facilitator": self.facilitator.address,
                "validAfter": str(permit.valid_after),
            },
        }
        payload = {"permit2Authorization": authorization, "signature": "0x" + signature.hex()}
        content = {"x402Version": 2, "payload": payload, "accepted": offer}
        return base64.b64encode(json.dumps(content, indent=indent).encode()).decode()

    async def received(self) -> int:
        """Return the atoms of OPG that the node's owner holds."""
        data = "0x" + (_BALANCE_OF + encode(["address"], [PAY_TO])).hex()
        result = await self.chain.request("eth_call", [{"to": DEVNET.opg, "data": data}, "latest"])
        return int(str(result), 16)

    async def settle(self) -> None:
        """Let the sessions go idle and be settled."""
        self.clock.advance(101)
        await self.chain.mine()
        await self.node.tick()
        await self.facilitator.drain()


@pytest.fixture
async def market() -> AsyncIterator[Market]:
    clock = ShiftedClock()
    relayer, payer = LocalSigner.from_key(b"\xfa" * 32), LocalSigner.from_key(b"\x01" * 32)
    alloc = genesis_alloc(
        admin=relayer.address,
        opg_balances={payer.address: 10 * _CAP},
        eth_balances={relayer.address: 10**20, payer.address: 10**20},
    )
    async with AsyncExitStack() as stack:
        chain = PyEvm(chain_id=_CHAIN_ID, alloc=alloc, clock=clock)
        await chain.start()
        stack.push_async_callback(chain.stop)
        facilitator = Facilitator(
            payments=chain,
            registry=chain,
            key=b"\xfa" * 32,
            heartbeat_contract=TEE_REGISTRY,
            relay=SETTLEMENT_RELAY,
            clock=clock,
        )
        await facilitator.start()
        stack.push_async_callback(facilitator.stop)
        node = Node(
            name="alpha",
            facilitator_url=facilitator.url,
            chain_id=_CHAIN_ID,
            opg=DEVNET.opg,
            clock=clock,
            pay_to=PAY_TO,
            heartbeat_contract=TEE_REGISTRY,
        )
        await node.start()
        stack.push_async_callback(node.stop)
        await _approve(chain, payer)
        yield Market(chain, clock, facilitator, node, await Customer.of(node, stack), payer)


async def _approve(chain: PyEvm, payer: LocalSigner) -> None:
    signed = await payer.sign_transaction(
        PreparedTx(
            chain_id=_CHAIN_ID,
            sender=payer.address,
            nonce=0,
            to=DEVNET.opg,
            data=_APPROVE + encode(["address", "uint256"], [DEVNET.permit2, 2**256 - 1]),
            value=0,
            gas=100_000,
            max_fee_per_gas=10**10,
            max_priority_fee_per_gas=10**6,
        )
    )
    await chain.request("eth_sendRawTransaction", ["0x" + signed.raw.hex()])


async def test_the_sum_of_a_session_is_what_the_chain_moves(market: Market) -> None:
    first = await market.customer.post(pay=await market.permit())
    for _ in range(3):
        await market.customer.post(session=first.session)
    (session,) = market.node.sessions

    await market.settle()

    assert session.state is SessionState.SETTLED
    assert session.billed == 4
    assert await market.received() == session.cost > 0
    (settled,) = market.facilitator.records.settled
    assert (settled.payer.lower(), settled.nonce) == (session.payer, session.nonce)


async def test_a_settled_permit_is_refused_in_every_spelling(market: Market) -> None:
    pay = await market.permit(nonce=5)
    await market.customer.post(pay=pay)
    await market.settle()

    again = await market.customer.post(pay=pay)
    respelled = await market.customer.post(pay=await market.permit(nonce=5, indent=1))

    assert (again.status, respelled.status) == (402, 402)
    assert respelled.challenge["error"] in ("permit2_invalid_nonce", "permit2_simulation_failed")
    assert len(market.node.sessions) == 1


async def test_a_tampered_permit_is_refused_with_the_facilitators_reason(market: Market) -> None:
    content = json.loads(base64.b64decode(await market.permit()))
    content["payload"]["permit2Authorization"]["nonce"] = "1"

    reply = await market.customer.post(pay=base64.b64encode(json.dumps(content).encode()).decode())

    assert reply.status == 402
    assert reply.challenge["error"] == "invalid_permit2_signature"


async def test_an_individual_settlement_comes_back_from_the_real_facilitator(
    market: Market,
) -> None:
    reply = await market.customer.post(pay=await market.permit(), kind="individual")

    assert reply.status == 200
    assert reply.headers["X-TEE-Request-Hash"] == "0x" + reply.json["tee_request_hash"]
    assert reply.headers["X-Settlement-Type"] == "individual"
    assert reply.headers["X-Settlement-Job-ID"].startswith("settlement-individual-")


async def test_batch_records_are_taken_by_the_real_facilitator(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    await market.customer.post(pay=await market.permit())
    await market.settle()

    assert "was not taken" not in caplog.text
