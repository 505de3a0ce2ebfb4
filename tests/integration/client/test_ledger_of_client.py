"""What a client says of its receipts later: also beside another one, after a restart, in a race."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk import Assurance, Devnet, PaymentState
from opengradient_sdk.client import pipeline
from opengradient_sdk.client.refreshing import Refreshing
from opengradient_sdk.errors import (
    AssuranceError,
    AttestationError,
    ConfigurationError,
    LedgerError,
    OpenGradientError,
    PaymentOutcomeUnknownError,
    RegistryUnavailableError,
    Spent,
)
from opengradient_sdk.ledger.bundle import verify_bundle
from opengradient_sdk.ledger.ledger import Ledger
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.network.registry import Registry
from opengradient_sdk.payments import PaymentStatus
from opengradient_sdk.payments.journal import CallState
from opengradient_sdk.verification import AllOf, CheckStatus, Covered, PcrIn, Sample
from opengradient_sdk.verification.policy import CallFacts

from .kit import Customer, CustomerFactory


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A store that several clients share, at once or one after the other."""
    return str(tmp_path / "store.sqlite")


async def beside(customer: CustomerFactory, one: Customer, **arguments: Any) -> Customer:
    """Another client of the same wallet, while the first one is open."""
    other = await customer(**{"signer": one.signer, **arguments})
    other.signer = one.signer
    return other


async def after(customer: CustomerFactory, one: Customer, **arguments: Any) -> Customer:
    """Another client of the same wallet, when the first one has been closed."""
    await one.client.aclose()
    return await beside(customer, one, **arguments)


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


async def test_what_is_forgotten_while_it_is_refreshed_stays_forgotten(
    customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await customer()
    receipt = (await one.ask(messages="a secret")).receipt
    begun, go_on = asyncio.Event(), asyncio.Event()
    data = Refreshing.data

    async def held(self: Refreshing, receipt: Receipt) -> Receipt:
        begun.set()
        await go_on.wait()
        return await data(self, receipt)

    monkeypatch.setattr(Refreshing, "data", held)
    refreshing = asyncio.create_task(one.client.receipts.refresh(receipt))
    await begun.wait()
    forgetting = asyncio.create_task(one.client.receipts.forget(receipt))
    for _ in range(50):
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(refreshing, forgetting)

    kept = await one.client.receipts.get(receipt.id)
    assert kept.content is None
    assert kept.signed is None


async def test_what_another_client_has_forgotten_is_forgotten_here(
    customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    two = await beside(customer, one, store=place)
    receipt = (await one.ask(messages="a secret")).receipt
    await one.client.receipts.list()

    await two.client.receipts.forget(receipt.id)

    kept = await one.client.receipts.get(receipt.id)
    assert kept.content is None
    (listed,) = await one.client.receipts.list()
    assert listed.content is None


async def test_a_forgotten_file_holds_no_byte_of_it(
    customer: CustomerFactory, tmp_path: Path
) -> None:
    place = tmp_path / "store.sqlite"
    one = await customer(store=str(place), content="kept")
    receipt = (await one.ask(messages="xyzzy-forget-me")).receipt
    await one.client.receipts.list()
    await one.client.receipts.forget(receipt)
    await one.client.aclose()

    assert await asyncio.to_thread(_files_with, b"xyzzy-forget-me", tmp_path) == []


async def test_a_key_whose_answer_was_forgotten_says_so(customer: CustomerFactory) -> None:
    one = await customer()
    receipt = (await one.ask(idempotency_key="k")).receipt
    await one.client.receipts.forget(receipt)
    signed = one.signer.count

    with pytest.raises(OpenGradientError, match="forgotten") as caught:
        await one.ask(idempotency_key="k")

    assert "refused" not in caught.value.short_message
    assert one.signer.count == signed


async def test_an_interrupted_call_is_no_free_one_when_its_node_proves_nothing(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place, on_ambiguous="raise")
    await one.ask()
    node = net.nodes[0]
    node.faults.drop_after_work = True
    with pytest.raises(PaymentOutcomeUnknownError):
        await one.ask(idempotency_key="k")
    node.faults.drop_after_work = False
    (life,) = one.lives
    two = await after(customer, one, store=place, require=Assurance.ATTESTED, trust=net.trust)
    honest, node.pcrs = node.pcrs, dict.fromkeys(range(3), b"\t" * 48)
    try:
        with pytest.raises(PaymentOutcomeUnknownError) as caught:
            await two.ask(idempotency_key="k")
    finally:
        node.pcrs = honest
    assert caught.value.spent is Spent.MAYBE
    assert isinstance(caught.value.__cause__, AttestationError)

    calls = await two.client._work.core.journal.calls(life.nonce)

    assert [call.state for call in calls if call.key == "k"] == [CallState.UNKNOWN]


async def test_an_interrupted_call_is_not_sent_again_to_a_build_that_is_refused(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place, on_ambiguous="raise")
    await one.ask()
    node = net.nodes[0]
    node.faults.drop_after_work = True
    with pytest.raises(PaymentOutcomeUnknownError):
        await one.ask(idempotency_key="k")
    node.faults.drop_after_work = False
    served = one.served
    two = await after(customer, one, store=place, require=PcrIn(b"\x07" * 32))

    with pytest.raises(PaymentOutcomeUnknownError, match="is refused"):
        await two.ask(idempotency_key="k")

    assert two.served == served


async def test_an_interrupted_call_is_no_free_one_when_the_registry_is_down(
    net: Devnet, customer: CustomerFactory, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await customer(store=place, on_ambiguous="raise")
    await one.ask()
    net.nodes[0].faults.drop_after_work = True
    with pytest.raises(PaymentOutcomeUnknownError):
        await one.ask(idempotency_key="k")
    net.nodes[0].faults.drop_after_work = False
    two = await after(customer, one, store=place)

    async def down(*_: object, **__: object) -> None:
        raise RegistryUnavailableError("down")

    with monkeypatch.context() as outage:
        outage.setattr(Registry, "snapshot", down)
        with pytest.raises(PaymentOutcomeUnknownError, match="down"):
            await two.ask(idempotency_key="k")
    two.client._work.core.sessions.retire_all()
    signed = two.signer.count

    with pytest.raises(PaymentOutcomeUnknownError):
        await two.ask(idempotency_key="k")

    assert two.signer.count == signed


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


async def test_only_a_chain_that_was_asked_dates_a_receipt(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(trust=net.trust)
    receipt = (await one.ask()).receipt
    await net.advance(seconds=50)
    proven = await one.client.receipts.wait(receipt, assurance=Assurance.ATTESTED)
    assert proven.as_of == receipt.as_of


@pytest.mark.parametrize(
    "parameters",
    [{"default": float("nan")}, {"a": 1, 2: 3}, {"default": float("inf")}],
    ids=["nan", "keys", "inf"],
)
async def test_what_no_record_can_hold_is_not_sent(
    customer: CustomerFactory, parameters: dict[Any, Any]
) -> None:
    one = await customer()
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    with pytest.raises(ConfigurationError, match="cannot be hashed"):
        await one.ask(tools=[tool])
    await one.assert_nothing_happened()


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


async def test_two_clients_that_refresh_at_once_keep_what_both_found(
    net: Devnet, customer: CustomerFactory, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await customer(store=place, trust=net.trust)
    two = await beside(customer, one, store=place, trust=net.trust)
    receipt = (await one.ask()).receipt
    await one.client.receipts.list()
    begun, go_on = asyncio.Event(), asyncio.Event()
    data = Refreshing.data

    async def held(self: Refreshing, receipt: Receipt) -> Receipt:
        begun.set()
        await go_on.wait()
        return await data(self, receipt)

    monkeypatch.setattr(Refreshing, "data", held)
    refreshing = asyncio.create_task(one.client.receipts.refresh(receipt))
    await begun.wait()
    await two.client.receipts.wait(receipt.id, assurance=Assurance.ATTESTED)
    await two.client.receipts.list()
    go_on.set()
    await refreshing

    await one.client.receipts.list()
    assert (await two.client.receipts.get(receipt.id)).assurance is Assurance.ATTESTED


async def test_a_receipt_that_cannot_be_written_yet_is_whole(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    await one.client.receipts.list()
    with sqlite3.connect(place) as thief:
        thief.execute("ALTER TABLE ledger_entry RENAME TO gone")
    reply = await one.ask()
    with pytest.raises(LedgerError):
        await one.client.receipts.list()
    try:
        kept = await one.client.receipts.get(reply.receipt.id)
        assert kept.registered == reply.receipt.registered
    finally:
        with sqlite3.connect(place) as thief:
            thief.execute("ALTER TABLE gone RENAME TO ledger_entry")


def _files_with(text: bytes, folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if text in file.read_bytes()]


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


async def test_equal_contents_have_salts_of_their_own(customer: CustomerFactory) -> None:
    one = await customer()
    ids = [(await one.ask()).receipt.id for _ in range(2)]

    salts = {(await one.client._work.core.ledger.content_of(each))[2] for each in ids}

    assert None not in salts
    assert len(salts) == 2


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


async def test_no_hash_of_a_forgotten_question_is_left(customer: CustomerFactory) -> None:
    one = await customer()
    receipt = (await one.ask(idempotency_key="k")).receipt
    await one.client.receipts.forget(receipt)

    rows = await one.client._work.core.store.run(
        lambda db: db.execute("SELECT fingerprint, reply FROM payment_call")
    )

    assert rows == [("", None)]


async def test_an_answer_is_judged_by_the_draw_that_its_node_was_chosen_by(
    customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Sample(0.5, then=AllOf(Assurance.REGISTERED, Covered()))
    one = await customer(require=policy)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    asked = {"tools": [tool], "tool_choice": "auto"}  # no proof covers the choice
    draws = {policy.takes(CallFacts(None, n / 64)): n / 64 for n in range(64)}
    assert len(draws) == 2

    with monkeypatch.context() as drawn:
        drawn.setattr(pipeline, "facts_of", lambda _, estimate: CallFacts(estimate, draws[True]))
        with pytest.raises(AssuranceError, match="tool_choice"):
            await one.ask(**asked)
    with monkeypatch.context() as not_drawn:
        not_drawn.setattr(
            pipeline, "facts_of", lambda _, estimate: CallFacts(estimate, draws[False])
        )
        await one.ask(**asked)
