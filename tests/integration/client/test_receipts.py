"""Receipts over time: kept beyond their client, refreshed, waited for, exported, forgotten."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk import Assurance, DataState, Devnet, OpenGradient, PaymentState, Trust
from opengradient_sdk.client.reconciling import Reconciler
from opengradient_sdk.errors import (
    AssuranceError,
    AttestationError,
    ConfigurationError,
    LedgerError,
    OutputHashError,
    RpcError,
    SettlementPendingError,
    Spent,
)
from opengradient_sdk.ledger.bundle import verify_bundle
from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import CheckStatus

from .kit import Customer, CustomerFactory

STRANGE = Trust(measurements=frozenset({Bytes32(b"\x07" * 32)}))


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A store that outlives its clients."""
    return str(tmp_path / "store.sqlite")


async def successor(customer: CustomerFactory, one: Customer, **arguments: Any) -> Customer:
    """A client of the same wallet, after the first one has been closed."""
    await one.client.aclose()
    other = await customer(**{"signer": one.signer, **arguments})
    other.signer = one.signer
    return other


async def test_receipts_outlive_their_client(customer: CustomerFactory, place: str) -> None:
    one = await customer(store=place)
    receipt = (await one.ask(tag="x")).receipt
    two = await successor(customer, one, store=place)

    (kept,) = await two.client.receipts.list(tag="x")

    assert kept == await two.client.receipts.get(receipt.id)
    assert (kept.id, kept.cost, kept.assurance) == (receipt.id, receipt.cost, receipt.assurance)
    assert kept.registered == receipt.registered
    assert kept.content == receipt.content
    assert kept.signed == receipt.signed
    assert await two.client.receipts.list(tag="y") == ()


async def test_a_restarted_client_refreshes_what_another_has_paid(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask()).receipt
    two = await successor(customer, one, store=place)
    await net.advance(seconds=130)

    settled = await two.client.receipts.wait(receipt.id)

    assert settled.payment.state is PaymentState.SETTLED
    assert settled.payment.amount == receipt.cost
    three = await successor(customer, two, store=place)
    assert (await three.client.receipts.get(receipt.id)).payment == settled.payment


async def test_hashes_are_found_on_chain_and_become_final(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    receipt = (await one.ask()).receipt
    assert receipt.data.state is DataState.PROMISED
    with pytest.raises(SettlementPendingError, match="not settled within"):
        await one.client.receipts.wait(receipt, data=DataState.SETTLED, timeout=0.01)
    await net.advance(seconds=400)

    settled = await one.client.receipts.wait(receipt, data=DataState.SETTLED)
    await net.mine(12)
    final = await one.client.receipts.wait(receipt, data=DataState.FINAL)

    assert settled.data.proof is not None
    assert settled.data.proof.mode == "batch"
    assert final.data.state is DataState.FINAL
    assert not any(item.startswith("data") for item in final.unresolved)
    assert settled.payment.state is PaymentState.OPEN  # nobody asked about it


async def test_assurance_can_be_had_later(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer(trust=net.trust)
    receipt = (await one.ask()).receipt
    assert receipt.assurance is Assurance.REGISTERED

    proven = await one.client.receipts.wait(receipt, assurance=Assurance.ATTESTED)

    assert proven.assurance is Assurance.ATTESTED
    assert proven.attested is not None
    assert (await one.client.receipts.get(receipt.id)).attested == proven.attested


async def test_no_assurance_is_had_of_a_build_that_is_not_accepted(
    customer: CustomerFactory,
) -> None:
    one = await customer()
    receipt = (await one.ask()).receipt
    assert receipt.registered is not None
    with pytest.raises(ConfigurationError, match="trust accepts none"):
        await one.client.receipts.wait(receipt, assurance=Assurance.ATTESTED)
    two = await customer(trust=STRANGE, require=Assurance.SIGNED)
    with pytest.raises(AttestationError, match="not accepted"):
        await two.client._work.core.attesting.prove(
            two.client._work.core.connection(receipt.registered.record)
        )
    assert (await one.client.receipts.get(receipt.id)).assurance is Assurance.REGISTERED


async def test_what_failed_is_not_waited_for(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer(require=Assurance.UNVERIFIED)
    net.nodes[0].faults.wrong_output_hash = True
    try:
        receipt = (await one.ask()).receipt
    finally:
        net.nodes[0].faults.wrong_output_hash = False
    with pytest.raises(AssuranceError, match="will not be SIGNED") as caught:
        await one.client.receipts.wait(receipt, assurance=Assurance.SIGNED)
    assert caught.value.spent is Spent.YES
    assert caught.value.receipt_id == receipt.id


@pytest.mark.parametrize(
    "wanted",
    [{"payment": PaymentState.OPEN}, {"data": DataState.PROMISED}, {"data": DataState.OVERDUE}],
    ids=str,
)
async def test_what_cannot_be_waited_for(customer: CustomerFactory, wanted: dict[str, Any]) -> None:
    one = await customer()
    receipt = (await one.ask()).receipt
    with pytest.raises(ValueError, match="cannot be waited for"):
        await one.client.receipts.wait(receipt, **wanted)


async def test_a_receipt_is_exported_for_strangers(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer(trust=net.trust, require=Assurance.ATTESTED)
    receipt = (await one.ask(messages="to be left out")).receipt
    whole = await one.client.receipts.export(receipt)
    without = await one.client.receipts.export(receipt, request=False, output=False)

    report = verify_bundle(whole, net.trust)

    assert report.assurance is Assurance.SIGNED  # the registry is the chain's to say
    passed = {check.name for check in report.evidence.checks if check.status is CheckStatus.PASSED}
    assert {"request_hash", "output_hash", "signature", "attestation"} <= passed
    assert "to be left out" not in str(without)
    verify_bundle(without, net.trust)
    altered = str(whole["output"]["text"])  # type: ignore[index]
    whole["output"] = {"text": altered + "."}
    with pytest.raises(OutputHashError):
        verify_bundle(whole, net.trust)


async def test_no_bundle_holds_a_signature_that_can_be_collected_on(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    receipt = (await one.ask()).receipt
    assert (await one.client.receipts.export(receipt))["payment"]["signature"] is None  # type: ignore[index]
    await net.advance(seconds=130)
    await one.client.receipts.wait(receipt)
    await net.advance(seconds=300)
    receipt = await one.client.receipts.refresh(receipt)

    bundle = await one.client.receipts.export(receipt)

    assert bundle["payment"]["signature"] is not None  # type: ignore[index]
    check = verify_bundle(bundle, net.trust).evidence.get("payment_authorization")
    assert check is not None
    assert check.status is CheckStatus.PASSED


async def test_what_is_forgotten_is_nowhere(customer: CustomerFactory, place: str) -> None:
    one = await customer(store=place, content="kept")
    reply = await one.ask(messages="my secret is 12345", idempotency_key="k")
    receipt = reply.receipt
    other = (await one.ask(messages="keep this")).receipt
    assert receipt.signed is not None

    await one.client.receipts.forget(receipt)
    await one.client.receipts.forget(receipt)

    kept = await one.client.receipts.get(receipt.id)
    assert kept.content is None
    assert kept.signed is None
    assert kept.cost == receipt.cost
    assert (await one.client.ledger.check()).ok
    await one.client.aclose()
    everything = _dump(place)
    assert "keep this" in everything
    assert other.id in everything
    for gone in ("12345", receipt.signed.request_hash, receipt.signed.output_hash):
        assert gone not in everything


async def test_a_ledger_that_cannot_be_written_stops_spending(
    customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    await one.ask()
    await one.client.receipts.list()
    signed = one.signer.count
    with sqlite3.connect(place) as thief:
        thief.execute("ALTER TABLE ledger_entry RENAME TO gone")
    reply = await one.ask()  # served under the open session; its record waits
    with pytest.raises(LedgerError):
        await one.client.receipts.list()

    with pytest.raises(LedgerError):
        await one.ask()

    assert one.signer.count == signed
    with sqlite3.connect(place) as thief:
        thief.execute("ALTER TABLE gone RENAME TO ledger_entry")
    assert reply.receipt.id in [one.id for one in await one.client.receipts.list()]
    assert (await one.client.ledger.check()).ok


async def test_the_sync_client_keeps_the_same_ledger(net: Devnet, place: str) -> None:
    wallet = await net.new_account(opg="10")

    def work() -> tuple[int, bool]:
        with OpenGradient(signer=wallet, network=net.profile, store=place) as client:
            with client.lineage("sync") as run:
                first = client.chat.create(model="gpt-5", messages="one")
                second = client.chat.create(model="gpt-5", messages="two", parents=[first.receipt])
            assert second.receipt.parents == (first.receipt.id,)
            assert second.receipt.run == run.id
            bundle = client.receipts.export(second.receipt)
            verify_bundle(bundle, None)
            found = client.timeline.impact(version="devnet-1")
            return len(found.outputs), client.ledger.check().ok

    assert await asyncio.to_thread(work) == (2, True)


def _dump(place: str) -> str:
    with sqlite3.connect(place) as db:
        return "\n".join(db.iterdump())


async def test_a_chain_that_is_away_hides_nothing_that_others_say(
    net: Devnet, customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await customer()
    receipt = (await one.ask()).receipt
    await net.advance(seconds=400)

    async def away(*_: object, **__: object) -> None:
        raise RpcError("away")

    with monkeypatch.context() as outage:
        outage.setattr(Reconciler, "look_up", away)
        with pytest.raises(RpcError, match="away"):
            await one.client.receipts.refresh(receipt)

    kept = await one.client.receipts.get(receipt.id)
    assert kept.data.state is DataState.SETTLED
    assert kept.evidence.get("build_since") is not None
    assert kept.payment.state is PaymentState.OPEN


async def test_waiting_for_a_payment_ends_its_session(customer: CustomerFactory) -> None:
    one = await customer()
    receipt = (await one.ask()).receipt
    with pytest.raises(SettlementPendingError):
        await one.client.receipts.wait(receipt, timeout=0.01)
    again = (await one.ask()).receipt
    assert again.authorization.nonce != receipt.authorization.nonce


async def test_what_was_answered_last_is_recorded_when_the_client_closes(
    customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask()).receipt
    two = await successor(customer, one, store=place)  # closes the first one at once
    assert await two.client.receipts.get(receipt.id) == receipt
