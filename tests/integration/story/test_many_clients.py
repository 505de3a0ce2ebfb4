"""Five clients with two wallets over one store, two of which are killed in the middle.

What every process said, what the nodes count and what moved on chain are the test's own books; the
ledger and the journal are held to them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from support.stores import DURABLE, location

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.chain.contracts.erc20 import TRANSFER_EVENT
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.payments.journal import CallRecord, CallState
from opengradient_sdk.payments.state import OpenAuthorization
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Amount

from .crowd import Customer, has_key

WALLETS: Final = (0, 0, 0, 1, 1)
"""Whose money each customer spends."""
KILLED: Final = (0, 3)
MODEL: Final = "gpt-5"
FEW: Final = 8
MANY: Final = 40


@dataclass
class Account:
    """One wallet: a client that looks at the store when everybody has gone, and what it finds."""

    owner: str
    client: AsyncOpenGradient
    receipts: tuple[Receipt, ...]
    lives: Mapping[int, OpenAuthorization]
    calls: Mapping[int, Sequence[CallRecord]]

    @classmethod
    async def of(cls, client: AsyncOpenGradient) -> Account:
        """Read everything that the store has of a wallet."""
        journal = client._work.core.journal
        lives: dict[int, OpenAuthorization] = {}
        for entry in await client.payments.journal():
            life = await journal.find(entry.nonce)
            assert life is not None
            lives[entry.nonce] = life
        calls = {nonce: await journal.calls(nonce) for nonce in lives}
        owner = client._work.core.signer.address
        return cls(owner, client, await client.receipts.list(), lives, calls)

    def costs(self) -> dict[int, int]:
        """Return the sum of the receipts' costs for each authorization, in atoms."""
        sums: defaultdict[int, int] = defaultdict(int)
        for receipt in self.receipts:
            assert receipt.cost is not None
            sums[receipt.authorization.nonce] += receipt.cost.atoms
        return sums


@dataclass
class Village:
    """The network, its customers, and the wallets' accounts when all is settled."""

    net: Devnet
    customers: Sequence[Customer]
    accounts: Sequence[Account]

    @property
    def answers(self) -> list[dict[str, Any]]:
        """What the processes said was there to stay."""
        return [answer for customer in self.customers for answer in customer.answers]

    @property
    def receipts(self) -> dict[str, Receipt]:
        return {receipt.id: receipt for each in self.accounts for receipt in each.receipts}


@pytest.fixture(
    params=[pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.nightly)]
)
def calls(request: pytest.FixtureRequest) -> int:
    """How many questions each customer asks."""
    number: int = request.param
    return number


@pytest.fixture(params=DURABLE)
async def village(
    request: pytest.FixtureRequest, calls: int, tmp_path: Path
) -> AsyncIterator[Village]:
    """Everybody has asked, has gone, and was charged."""
    store = {
        "store": location(request.param, request, tmp_path),
        "store_key": str(tmp_path / "store.key"),
    }
    async with Devnet(accounts=2) as net, AsyncExitStack() as stack:
        customers = [
            Customer(net, f"customer {place}", key_of(net, wallet), store)
            for place, wallet in enumerate(WALLETS)
        ]
        async with asyncio.TaskGroup() as group:
            for place, customer in enumerate(customers):
                group.create_task(_day_of(customer, calls, is_killed=place in KILLED))
        clients = [
            await stack.enter_async_context(
                AsyncOpenGradient(signer=signer, network=net.profile, **store)
            )
            for signer in net.accounts
        ]
        await _settled(net, clients)
        yield Village(net, customers, [await Account.of(client) for client in clients])


async def _day_of(customer: Customer, calls: int, *, is_killed: bool) -> None:
    if is_killed:
        await customer.work_twice(range(calls), until=calls // 2)
    else:
        await customer.work(range(calls))


async def _settled(net: Devnet, clients: Sequence[AsyncOpenGradient]) -> None:
    for client in clients:
        await client.payments.resolve()  # takes over what the dead and the gone have left
    await net.advance(130)  # the nodes settle what they have served
    await net.advance(300)  # and whatever they have not, they never will: the permits have ended
    await net.mine(20)
    for client in clients:
        assert await client.payments.resolve() == ()


async def test_many_clients_over_one_store(village: Village, calls: int) -> None:
    the_killed_were_at_work(village)
    every_durable_answer_has_its_receipt(village)
    nothing_was_answered_for_a_key_twice(village)
    for account in village.accounts:
        receipts_and_journal_agree(account)
        await the_chain_charged_what_was_served_and_once(village.net, account)
    await every_receipt_is_in_the_impact_once(village)
    report = await village.accounts[0].client.ledger.check()
    assert report.ok, report.explain()
    assert report.receipts == len(village.receipts)


def the_killed_were_at_work(village: Village) -> None:
    """They were asked the same again, and nobody failed but by what a crash had left open."""
    for place, customer in enumerate(village.customers):
        repeated = [answer["number"] for answer in customer.answers if answer["repeated"]]
        assert bool(repeated) == (place in KILLED)
        assert all(map(has_key, repeated))
        assert all(
            place in KILLED and failure["error"].startswith("PaymentOutcomeUnknownError")
            for failure in customer.failures
        ), customer.failures


def every_durable_answer_has_its_receipt(village: Village) -> None:
    receipts = village.receipts
    for answer in village.answers:
        receipt = receipts[answer["id"]]
        assert receipt.authorization.nonce == answer["nonce"]
        assert receipt.cost == answer["cost"]


def nothing_was_answered_for_a_key_twice(village: Village) -> None:
    for customer in village.customers:
        ids: dict[int, set[str]] = {}
        for answer in customer.answers:
            ids.setdefault(answer["number"], set()).add(answer["id"])
        assert all(len(each) == 1 for each in ids.values())


def receipts_and_journal_agree(account: Account) -> None:
    """To the atom where nobody was killed; elsewhere each call that both know costs the same."""
    costs = account.costs()
    assert costs.keys() <= account.lives.keys()
    for nonce, life in account.lives.items():
        if life.is_fully_counted:
            assert costs.get(nonce, 0) == life.served
    by_call: defaultdict[str, list[Receipt]] = defaultdict(list)
    for receipt in account.receipts:
        by_call[receipt.id[-24:]].append(receipt)
    for record in (record for calls in account.calls.values() for record in calls):
        receipts = by_call[record.id.removeprefix("call_")]
        assert len(receipts) <= max(1, record.attempts)
        if record.key is not None and record.state is CallState.SERVED:
            assert receipts, f"{record.key} has an answer and no receipt"
        if record.cost is not None:
            assert all(receipt.cost == Amount(record.cost) for receipt in receipts)


async def the_chain_charged_what_was_served_and_once(net: Devnet, account: Account) -> None:
    settled = [paid for paid in net.facilitator.records.settled if paid.payer == account.owner]
    charged = {paid.nonce: paid.amount for paid in settled}
    assert len(charged) == len(settled)
    assert sorted(await transfers(net, account.owner)) == sorted(charged.values())
    sessions = {
        session.nonce: session.cost
        for node in net.nodes
        for session in node.sessions
        if session.payer == account.owner.lower()
    }
    assert charged == {nonce: cost for nonce, cost in sessions.items() if cost}
    for nonce, life in account.lives.items():
        amount = charged.get(nonce, 0)
        assert amount <= life.cap
        assert (0 if life.status.amount is None else life.status.amount.atoms) == amount
        assert account.costs().get(nonce, 0) <= amount
        if life.is_fully_counted:
            assert life.served == amount


async def transfers(net: Devnet, owner: str) -> list[int]:
    """Return every amount of OPG that left an account, as the chain's own events say."""
    query = {
        "fromBlock": "0x0",
        "address": net.profile.opg,
        "topics": [str(TRANSFER_EVENT.topic), "0x" + owner[2:].lower().rjust(64, "0")],
    }
    logs = await net.chain.request("eth_getLogs", [query])
    return [int(log["data"], 16) for log in logs]


async def every_receipt_is_in_the_impact_once(village: Village) -> None:
    receipts = village.receipts
    for account in village.accounts:
        impact = await account.client.timeline.impact(model=MODEL)
        assert sorted(output.id for output in impact.outputs) == sorted(receipts)
        assert impact.output_calls.cost.atoms == sum(
            sum(each.costs().values()) for each in village.accounts
        )
        assert sum(payment.outputs.count for payment in impact.payments) == len(receipts)


def key_of(net: Devnet, number: int) -> str:
    signer = net.accounts[number]
    assert isinstance(signer, LocalSigner)
    return signer._key.secret.hex()
