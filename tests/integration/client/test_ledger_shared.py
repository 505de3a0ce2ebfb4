"""What clients of one store say of each other's receipts, at once or one after the other."""

from __future__ import annotations

import asyncio

from opengradient_sdk import Assurance, Devnet
from opengradient_sdk.verification import CheckStatus

from .conftest import HeldRefreshes
from .kit import CustomerFactory, after, beside


async def test_what_another_client_has_proven_is_not_taken_back(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place, trust=net.trust)
    two = await beside(customer, one, store=place, trust=net.trust)
    receipt = (await one.ask()).receipt
    await one.client.receipts.list()
    await two.client.receipts.wait(receipt.id, assurance=Assurance.ATTESTED)

    refreshed = await one.client.receipts.refresh(receipt)

    assert refreshed.assurance is Assurance.ATTESTED
    three = await after(customer, one, store=place)
    assert (await three.client.receipts.get(receipt.id)).assurance is Assurance.ATTESTED


async def test_two_clients_that_refresh_at_once_keep_what_both_found(
    net: Devnet, customer: CustomerFactory, place: str, refreshes: HeldRefreshes
) -> None:
    one = await customer(store=place, trust=net.trust)
    two = await beside(customer, one, store=place, trust=net.trust)
    receipt = (await one.ask()).receipt
    await one.client.receipts.list()
    refreshing = asyncio.create_task(one.client.receipts.refresh(receipt))
    await refreshes.begun.wait()
    await two.client.receipts.wait(receipt.id, assurance=Assurance.ATTESTED)
    await two.client.receipts.list()
    refreshes.go_on.set()
    await refreshing

    await one.client.receipts.list()
    assert (await two.client.receipts.get(receipt.id)).assurance is Assurance.ATTESTED


async def test_a_repeated_answer_takes_nothing_from_its_receipt(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place, trust=net.trust)
    receipt = (await one.ask(idempotency_key="k")).receipt
    proven = await one.client.receipts.wait(receipt, assurance=Assurance.ATTESTED)
    again = await one.ask(idempotency_key="k")
    assert again.receipt.repeated

    kept = await one.client.receipts.get(receipt.id)

    assert kept.assurance is Assurance.ATTESTED
    assert kept.registered == proven.registered
    assert kept.attested == proven.attested
    assert kept.content == proven.content
    await one.client.receipts.refresh(receipt.id)
    two = await after(customer, one, store=place)
    assert (await two.client.receipts.get(receipt.id)).assurance is Assurance.ATTESTED


async def test_a_repeated_answer_is_exported_with_its_node(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place, trust=net.trust)
    await one.ask(idempotency_key="k")
    two = await after(customer, one, store=place, trust=net.trust)
    again = await two.ask(idempotency_key="k")

    bundle = await two.client.receipts.export(again.receipt)

    assert bundle["registry"] is not None
    proven = await two.client.receipts.wait(again.receipt, assurance=Assurance.ATTESTED)
    assert proven.assurance is Assurance.ATTESTED


async def test_a_client_accuses_no_node_by_what_it_has_not_counted(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    two = await beside(customer, one, store=place)
    first = (await one.ask()).receipt
    await one.client.receipts.list()
    await two.client.receipts.refresh(first.id)
    for _ in range(3):
        await one.ask()  # under the same session; the other client sees nothing of it
    await one.client.receipts.list()
    for life in one.lives:
        one.client._work.core.lives.retire(life)
    await net.advance(seconds=130)

    settled = await two.client.receipts.wait(first.id)

    check = settled.evidence.get("charge")
    assert check is not None
    assert check.status is not CheckStatus.FAILED, check.reason
    assert settled.authorization.calls == 4


async def test_a_client_that_looks_ends_no_session_of_another(
    customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    two = await beside(customer, one, store=place)
    receipt = (await one.ask()).receipt
    await one.client.receipts.list()
    await two.client.receipts.refresh(receipt.id)
    await two.ask()
    await one.ask()
    (life,) = one.lives
    assert life.state.serves
    states = {entry.nonce: entry.life.value for entry in await one.journal()}
    assert states[life.nonce] == "active"
