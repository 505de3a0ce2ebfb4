"""What a client's ledger says of payments: in the background, after a restart, after a crash."""

import pytest

from opengradient_sdk import Devnet, PaymentState
from opengradient_sdk.ledger.bundle import verify_bundle
from opengradient_sdk.ledger.ledger import Ledger
from opengradient_sdk.payments import PaymentStatus
from opengradient_sdk.verification import CheckStatus

from .kit import CustomerFactory, after, beside


async def test_what_is_settled_in_the_background_is_had_from_every_receipt(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    first, second = (await one.ask()).receipt, (await one.ask()).receipt
    await net.advance(seconds=130)
    await one.client.receipts.wait(first)

    kept = await one.client.receipts.get(second.id)
    (_, listed) = await one.client.receipts.list()

    assert kept.payment.state is PaymentState.SETTLED
    assert listed.payment == kept.payment


async def test_nothing_is_open_about_what_was_never_charged(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(settlement="private")
    receipt = (await one.ask()).receipt
    net.facilitator.faults.settle_fails = True
    await net.advance(seconds=400)
    await net.mine(80)

    settled = await one.client.receipts.wait(receipt)

    assert settled.payment.state is PaymentState.NOT_CHARGED
    assert settled.unresolved == ()


async def test_a_final_payment_keeps_its_source_over_a_restart(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask()).receipt
    await net.advance(seconds=130)
    await one.client.receipts.wait(receipt)
    await net.mine(70)
    final = await one.client.receipts.wait(receipt, payment=PaymentState.FINAL)
    two = await after(customer, one, store=place)

    refreshed = await two.client.receipts.refresh(receipt.id)

    assert refreshed.payment.block_hash == final.payment.block_hash
    assert refreshed.payment.rpcs == final.payment.rpcs
    assert refreshed.authorization == final.authorization
    three = await after(customer, two, store=place)
    kept = await three.client.receipts.get(receipt.id)
    assert (kept.payment, kept.authorization) == (final.payment, final.authorization)


async def test_what_a_restarted_client_has_refreshed_can_be_exported(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask()).receipt
    await net.advance(seconds=130)
    await one.client.receipts.wait(receipt)
    await net.advance(seconds=300)
    two = await after(customer, one, store=place)
    await two.client.receipts.refresh(receipt.id)

    bundle = await two.client.receipts.export(receipt.id)

    check = verify_bundle(bundle, net.trust).evidence.get("payment_authorization")
    assert check is not None
    assert check.status is CheckStatus.PASSED


async def test_the_ledger_learns_of_payments_that_only_the_journal_knows(
    net: Devnet, customer: CustomerFactory, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask()).receipt
    await one.client.receipts.list()
    await net.advance(seconds=130)
    with monkeypatch.context() as crash:  # between the journal's commit and the ledger's
        crash.setattr(Ledger, "payment", lambda *_: None)
        (life,) = one.lives
        one.client._work.core.lives.retire(life)
        await one.client._work.core.reconciler.look_up(life)
    two = await after(customer, one, store=place)

    await two.client.receipts.refresh(receipt.id)

    three = await after(customer, two, store=place)
    kept = await three.client.receipts.get(receipt.id)
    assert kept.payment.state in (PaymentState.SETTLED, PaymentState.FINAL)
    assert kept.payment.block_hash is not None


async def test_what_a_dead_client_left_is_settled_in_the_ledger_too(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask()).receipt
    await one.client.aclose()
    await net.advance(seconds=400)
    await net.mine(80)
    two = await beside(customer, one, store=place)
    await two.ask()  # takes over what was left
    await two.client.payments.resolve()

    kept = await two.client.receipts.get(receipt.id)

    assert kept.payment.state.resolved
    assert kept.authorization.scheme == receipt.authorization.scheme


async def test_a_dead_clients_last_word_is_not_taken_back_by_an_endpoint_that_lags(
    net: Devnet, customer: CustomerFactory, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask(idempotency_key="k")).receipt
    await net.advance(seconds=130)
    await one.client.receipts.wait(receipt)
    await net.mine(70)
    final = await one.client.receipts.wait(receipt, payment=PaymentState.FINAL)
    two = await after(customer, one, store=place)
    again = await two.ask(idempotency_key="k")  # brings the authorization in from the journal
    assert again.receipt.life is not None

    async def lagging(*_: object) -> PaymentStatus:
        return PaymentStatus(PaymentState.OPEN, "not settled at block 1")

    with monkeypatch.context() as lag:
        lag.setattr(type(two.client._work.core.watcher), "status", lagging)
        await two.client._work.core.reconciler.look_up(again.receipt.life)

    assert two.client.payments.unresolved == ()
    assert (await two.client.receipts.get(receipt.id)).payment == final.payment


async def test_an_overcharge_that_was_seen_is_not_taken_back_by_a_restart(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask()).receipt
    net.nodes[0].faults.overcharge = 1_000
    await net.advance(seconds=130)
    seen = (await one.client.receipts.wait(receipt)).evidence.get("charge")
    assert seen is not None
    assert seen.status is CheckStatus.FAILED
    two = await after(customer, one, store=place)

    refreshed = await two.client.receipts.refresh(receipt.id)

    assert refreshed.evidence.get("charge") == seen


async def test_an_overcharge_is_seen_after_a_restart(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    receipt = (await one.ask()).receipt
    net.nodes[0].faults.overcharge = 1_000
    await net.advance(seconds=130)
    (life,) = one.lives
    one.client._work.core.lives.retire(life)
    await one.client._work.core.reconciler.look_up(life)  # settled, and nobody has looked closer
    two = await after(customer, one, store=place)

    check = (await two.client.receipts.refresh(receipt.id)).evidence.get("charge")

    assert check is not None
    assert check.status is CheckStatus.FAILED
