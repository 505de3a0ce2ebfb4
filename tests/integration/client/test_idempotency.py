"""Idempotency keys: one key is one call and one payment, whoever asks and however often."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.branches import branch, until

from opengradient_sdk import Assurance, Devnet, Trust
from opengradient_sdk.devnet.faults import inject
from opengradient_sdk.errors import (
    APIStatusError,
    AssuranceError,
    ConfigurationError,
    IdempotencyConflictError,
    PaymentOutcomeUnknownError,
    Spent,
)
from opengradient_sdk.payments.status import PaymentState
from opengradient_sdk.types import Bytes32

from .kit import CAP, Customer, CustomerFactory, refused

KEY = "order-17"
RETRY = "Ask again with this key"


def calls(one: Customer) -> int:
    """How many answers the network has given to this wallet."""
    return one.book.calls if one.book else 0


async def paid_once(one: Customer) -> None:
    """One authorization, one answer; nothing under way."""
    await one.assert_exposed(caps=1)
    assert calls(one) == 1


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A store that several clients share."""
    return str(tmp_path / "store.sqlite")


async def same_wallet(customer: CustomerFactory, one: Customer, **arguments: Any) -> Customer:
    """Another client of a customer's wallet."""
    other = await customer(**{"signer": one.signer, **arguments})
    other.signer = one.signer
    return other


async def test_a_key_that_was_answered_is_answered_from_the_store(
    customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    first = await one.ask(idempotency_key=KEY)
    requests = len(sent)

    second = await one.ask(idempotency_key=KEY)

    assert len(sent) == requests
    assert not first.receipt.repeated
    assert second.receipt.repeated
    assert (second.text, second.message, second.usage, second.finish_reason) == (
        first.text,
        first.message,
        first.usage,
        first.finish_reason,
    )
    assert second.receipt.id == first.receipt.id
    assert second.receipt.cost == first.receipt.cost
    await paid_once(one)


async def test_ten_callers_of_one_key_share_one_call(
    customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()

    replies = await asyncio.gather(*(one.ask(idempotency_key=KEY) for _ in range(10)))

    assert len({reply.receipt.id for reply in replies}) == 1
    assert sorted(reply.receipt.repeated for reply in replies) == [False] + [True] * 9
    assert sent == ["nothing", "PAYMENT-SIGNATURE"]
    await paid_once(one)


async def test_two_clients_of_one_store_share_one_call(
    customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    two = await same_wallet(customer, one, store=place)

    replies = await asyncio.gather(
        *(each.ask(idempotency_key=KEY) for _ in range(3) for each in (one, two))
    )

    assert len({reply.receipt.id for reply in replies}) == 1
    assert [reply.receipt.repeated for reply in replies].count(False) == 1
    await paid_once(one)


async def test_a_closed_client_leaves_its_answers_to_the_next(
    customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    first = await one.ask(idempotency_key=KEY)
    await one.client.aclose()
    two = await same_wallet(customer, one, store=place)

    second = await two.ask(idempotency_key=KEY)

    assert second.receipt.repeated
    assert (second.receipt.id, second.text) == (first.receipt.id, first.text)
    assert calls(one) == len(one.signer.typed_data) == 1


async def test_two_processes_share_one_call(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    question = one.question(idempotency_key=KEY)
    async with (
        branch(net, one.signer.key, store=place, budget="2 OPG") as left,
        branch(net, one.signer.key, store=place, budget="2 OPG") as right,
    ):
        told = await asyncio.gather(left.ask(question, question), right.ask(question, question))
        outcomes = [outcome for each in told for outcome in each]
        assert len({outcome["receipt"] for outcome in outcomes}) == 1
        assert [outcome["repeated"] for outcome in outcomes].count(False) == 1
        reply = await one.ask(idempotency_key=KEY)

    assert reply.receipt.repeated
    assert str(reply.receipt.authorization.nonce) == outcomes[0]["nonce"]
    assert calls(one) == 1
    assert one.book is not None
    assert len(one.book.nonces) == len(await one.journal()) == 1


@pytest.mark.parametrize(
    "changes",
    [{"messages": "hi!"}, {"max_tokens": 65}, {"temperature": 0.5}, {"model": "openai/gpt-5-mini"}],
)
async def test_a_key_is_of_one_call_only(
    customer: CustomerFactory, changes: dict[str, Any]
) -> None:
    one = await customer()
    await one.ask(idempotency_key=KEY)

    with refused(
        IdempotencyConflictError,
        "used for another call",
        hint="use a new one",
        secrets=lambda: one.secrets,
    ):
        await one.ask(idempotency_key=KEY, **changes)

    await paid_once(one)


async def test_keys_are_of_one_wallet(customer: CustomerFactory, place: str) -> None:
    one, other = await customer(store=place), await customer(store=place)

    await one.ask(idempotency_key=KEY)
    reply = await other.ask(idempotency_key=KEY, messages="another question")

    assert not reply.receipt.repeated
    assert calls(other) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "\ud800", 7, b"key"])
async def test_what_is_no_key_is_refused(customer: CustomerFactory, key: Any) -> None:
    one = await customer()

    with refused(ConfigurationError, "idempotency", hint=""):
        await one.ask(idempotency_key=key)

    await one.assert_nothing_happened()


async def test_a_streamed_answer_is_the_answer_of_its_key(customer: CustomerFactory) -> None:
    one = await customer()
    async with one.client.chat.stream(**one.question(idempotency_key=KEY)) as stream:
        streamed = await stream.get_final_reply()

    plain = await one.ask(idempotency_key=KEY)
    async with one.client.chat.stream(**one.question(idempotency_key=KEY)) as stream:
        pieces = [piece async for piece in stream.text_stream]
        again = await stream.get_final_reply()

    assert plain.receipt.repeated
    assert again.receipt.repeated
    assert "".join(pieces) == plain.text == again.text == streamed.text
    await paid_once(one)


async def test_a_refused_call_costs_its_key_nothing(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    await one.ask()
    async with inject(net, "error-5xx"):
        with pytest.raises(APIStatusError) as info:
            await one.ask(idempotency_key=KEY)
    assert info.value.spent is Spent.NO

    reply = await one.ask(idempotency_key=KEY)

    assert not reply.receipt.repeated
    await one.assert_exposed(caps=1)


async def lose_two_answers(one: Customer, **changes: Any) -> None:
    """Have the node serve a call with a key, and the copy of it, and lose both answers."""
    async with inject(one.net, "cut-response", times=2):
        with refused(
            PaymentOutcomeUnknownError,
            "no answer came",
            spent=Spent.MAYBE,
            hint="client.payments.unresolved",
            secrets=lambda: one.secrets,
        ):
            await one.ask(idempotency_key=KEY, **changes)


async def test_a_call_sent_twice_is_not_sent_again_while_its_outcome_is_open(
    customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    await lose_two_answers(one)
    assert sent == ["nothing", "PAYMENT-SIGNATURE", "PAYMENT-SIGNATURE"]

    for _ in range(2):
        with refused(
            PaymentOutcomeUnknownError, "it was sent twice already", spent=Spent.MAYBE, hint=RETRY
        ):
            await one.ask(idempotency_key=KEY)

    assert len(sent) == 3
    await one.assert_exposed(caps=1)
    (record,) = await one.client._work.core.journal.calls(one.lives[0].nonce)
    assert record.attempts == 2
    assert 0 < record.maybe_billed <= CAP  # both copies are within one cap


async def test_who_raises_at_once_may_send_the_same_header_once_more(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer(on_ambiguous="raise")
    async with inject(net, "cut-response"):
        with pytest.raises(PaymentOutcomeUnknownError):
            await one.ask(idempotency_key=KEY)

    reply = await one.ask(idempotency_key=KEY)

    assert sent == ["nothing", "PAYMENT-SIGNATURE", "PAYMENT-SIGNATURE"]
    assert reply.receipt.resent == 1
    assert not reply.receipt.repeated
    assert (await one.ask(idempotency_key=KEY)).receipt.id == reply.receipt.id
    await one.assert_exposed(caps=1)
    assert calls(one) == 2  # billed twice within one cap, at most, and shown


async def test_a_time_out_is_no_reason_to_pay_twice(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer(on_ambiguous="raise")
    async with inject(net, "accept-then-time-out"):
        with pytest.raises(PaymentOutcomeUnknownError):
            await one.ask(idempotency_key=KEY, timeout=1.5)  # it is paid well before

    reply = await one.ask(idempotency_key=KEY)

    assert sent.count("PAYMENT-SIGNATURE") == 2
    assert reply.receipt.authorization.nonce == one.lives[0].nonce
    await one.assert_exposed(caps=1)


async def test_a_call_that_was_charged_and_lost_is_not_paid_again(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    await lose_two_answers(one)
    await net.advance(130)
    await net.mine(9)

    with refused(
        PaymentOutcomeUnknownError, "its session was charged", spent=Spent.MAYBE, hint="a new key"
    ):
        await one.ask(idempotency_key=KEY)

    assert len(sent) == 3
    assert len(one.signer.typed_data) == 1
    assert one.book is not None
    assert await one.settled() == one.book.settled > 0


async def test_a_call_that_was_never_charged_may_begin_anew(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    async with inject(net, "drop-before-work", times=2):
        with pytest.raises(PaymentOutcomeUnknownError):
            await one.ask(idempotency_key=KEY)
    net.nodes[0].forget_sessions()
    await net.advance(450)  # the permit is over, and the block that proves it is final
    await net.mine(9)

    reply = await one.ask(idempotency_key=KEY)

    assert one.lives[0].status.state is PaymentState.NOT_CHARGED
    assert reply.receipt.authorization.nonce == one.lives[1].nonce
    assert await one.exposed() == one.lives[1].cap
    assert calls(one) == 1


async def test_the_others_go_on_when_the_caller_that_sends_is_cancelled(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    await one.ask()  # a session, so that nothing is signed below
    async with inject(net, "accept-then-time-out"):
        first = asyncio.create_task(one.ask(idempotency_key=KEY))
        await one.working(1)
        second = asyncio.create_task(one.ask(idempotency_key=KEY))
        await until(lambda: calls(one) == 2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        reply = await second

    assert reply.receipt.authorization.nonce == one.lives[0].nonce
    assert calls(one) == 3  # the first question, and both copies of this one
    await one.assert_exposed(caps=1)


async def test_a_stored_answer_is_held_to_what_this_client_requires(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    first = await one.ask(idempotency_key=KEY)
    strict = await same_wallet(
        customer, one, store=place, require=Assurance.ATTESTED, trust=net.trust
    )
    other_build = Trust(measurements=frozenset({Bytes32(b"\x07" * 32)}))
    pinned = await same_wallet(customer, one, store=place, trust=other_build)

    for asking in (strict, pinned):
        with pytest.raises(AssuranceError) as caught:
            await asking.ask(idempotency_key=KEY)
        assert caught.value.spent is Spent.YES
        assert caught.value.receipt_id == first.receipt.id

    await paid_once(one)
