"""Processes that die by SIGKILL with money under way, and what the next one makes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.branches import Branch, GoneError, branch, until
from support.stores import DURABLE, location

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.faults import inject
from opengradient_sdk.errors import (
    ConfigurationError,
    IdempotencyConflictError,
    PaymentOutcomeUnknownError,
    Spent,
)

from .kit import CAP, Customer, CustomerFactory, refused

KEY = "order-17"
SIGKILL = -9


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that outlives processes."""
    return location(request.param, request, tmp_path)


@pytest.fixture
def shared(place: str, tmp_path: Path) -> dict[str, Any]:
    """The arguments of all clients of one store."""
    return {"store": place, "store_key": str(tmp_path / "state" / "key"), "budget": "2 OPG"}


@pytest.fixture
async def heir(shared: dict[str, Any], customer: CustomerFactory) -> Customer:
    """A client that is opened before, and is asked after, another process of its wallet dies."""
    return await customer(**shared)


async def ask_and_die(one: Branch, when: str, question: dict[str, Any]) -> None:
    await one.dies(when)
    with pytest.raises(GoneError):
        await one.ask(question)
    assert await one.gone() == SIGKILL


def calls(one: Customer) -> int:
    """How many answers the network has given to this wallet."""
    return one.book.calls if one.book else 0


def signed(one: Customer) -> int:
    """How many authorizations of this wallet the network has seen, whoever signed them."""
    return len(one.book.nonces) if one.book else 0


async def the_chain_and_the_journal_agree(one: Customer) -> None:
    """Everything is settled, to the atom as the journal and the budget say."""
    await one.net.advance(130)
    await one.net.mine(9)
    await one.client.payments.resolve()
    book = one.book
    assert book is not None
    assert book.balanced
    entries = await one.journal()
    charged = [0 if entry.charged is None else entry.charged.atoms for entry in entries]
    assert sum(charged) == book.settled == await one.settled()
    balances = await one.client.wallet.balances()
    assert balances.opg.atoms == 100 * CAP - book.settled


async def test_killed_before_sending(net: Devnet, heir: Customer, shared: dict[str, Any]) -> None:
    question = heir.question(idempotency_key=KEY)
    async with branch(net, heir.signer.key, **shared) as one:
        await ask_and_die(one, "before sending", question)
    (left,) = await heir.journal()
    assert calls(heir) == 0

    reply = await heir.ask(idempotency_key=KEY)

    # what it signed is sent now, for the first time; nothing else is signed
    assert reply.receipt.authorization.nonce == left.nonce
    assert (calls(heir), signed(heir), heir.signer.count) == (1, 1, 0)
    assert await heir.exposed() == CAP
    await the_chain_and_the_journal_agree(heir)


async def test_killed_while_the_node_works(
    net: Devnet, heir: Customer, shared: dict[str, Any]
) -> None:
    question = heir.question(idempotency_key=KEY)
    async with branch(net, heir.signer.key, **shared) as one, inject(net, "accept-then-time-out"):
        asking = asyncio.create_task(one.ask(question))
        await until(lambda: calls(heir) == 1)
        await one.kill()
        with pytest.raises(GoneError):
            await asking

    reply = await heir.ask(idempotency_key=KEY)

    # the same header, once more: billed twice within one cap at the most, and it says so
    assert reply.receipt.resent == 1
    assert any("billed" in item for item in reply.receipt.unresolved)
    assert (calls(heir), signed(heir), heir.signer.count) == (2, 1, 0)
    assert (await heir.ask(idempotency_key=KEY)).receipt.repeated
    await the_chain_and_the_journal_agree(heir)


async def test_killed_with_the_answer_unread(
    net: Devnet, heir: Customer, shared: dict[str, Any]
) -> None:
    question = heir.question(idempotency_key=KEY)
    async with branch(net, heir.signer.key, **shared) as one:
        await ask_and_die(one, "after the answer", question)
    assert calls(heir) == 1
    with pytest.raises(IdempotencyConflictError):
        await heir.ask(idempotency_key=KEY, messages="another question")

    async with branch(net, heir.signer.key, **shared) as two:
        (told,) = await two.ask(question)
        (again,) = await two.ask(question)

    (entry,) = await heir.journal()
    assert told["nonce"] == str(entry.nonce)
    assert (told["repeated"], again["repeated"]) == (False, True)
    assert (calls(heir), signed(heir)) == (2, 1)
    await the_chain_and_the_journal_agree(heir)


async def test_killed_with_the_answer_kept(
    net: Devnet, heir: Customer, shared: dict[str, Any]
) -> None:
    question = heir.question(idempotency_key=KEY)
    async with branch(net, heir.signer.key, **shared) as one:
        await ask_and_die(one, "after keeping", question)

    reply = await heir.ask(idempotency_key=KEY)

    assert reply.receipt.repeated
    assert reply.text
    assert (calls(heir), signed(heir), heir.signer.count) == (1, 1, 0)
    await the_chain_and_the_journal_agree(heir)


async def test_killed_twice_it_is_not_sent_a_third_time(
    net: Devnet, heir: Customer, shared: dict[str, Any]
) -> None:
    question = heir.question(idempotency_key=KEY)
    for _ in range(2):
        async with branch(net, heir.signer.key, **shared) as one:
            await ask_and_die(one, "after the answer", question)

    with refused(
        PaymentOutcomeUnknownError,
        "it was sent twice already",
        spent=Spent.MAYBE,
        hint="client.payments.resolve()",
        secrets=lambda: [secret for secret in heir.secrets if secret],  # no header: only watched
    ):
        await heir.ask(idempotency_key=KEY)

    assert (calls(heir), signed(heir), heir.signer.count) == (2, 1, 0)
    await the_chain_and_the_journal_agree(heir)


async def test_the_session_of_the_dead_goes_on(
    net: Devnet, heir: Customer, shared: dict[str, Any]
) -> None:
    async with branch(net, heir.signer.key, **shared) as one:
        await one.ask(heir.question(), heir.question())
        await one.kill()

    reply = await heir.ask()

    (entry,) = await heir.journal()
    assert reply.receipt.authorization.nonce == entry.nonce
    assert (calls(heir), signed(heir), heir.signer.count) == (3, 1, 0)
    assert await heir.exposed() == CAP
    await the_chain_and_the_journal_agree(heir)


async def test_an_old_session_of_the_dead_is_only_watched(
    net: Devnet, heir: Customer, shared: dict[str, Any]
) -> None:
    async with branch(net, heir.signer.key, **shared) as one:
        await one.ask(heir.question())
        await one.kill()
    await net.advance(101)

    reply = await heir.ask()

    old, new = await heir.journal()
    assert new.nonce == reply.receipt.authorization.nonce
    assert (signed(heir), heir.signer.count) == (2, 1)
    assert [life.nonce for life in heir.client.payments.unresolved] == [old.nonce, new.nonce]
    await the_chain_and_the_journal_agree(heir)


async def test_what_the_dead_left_open_is_resolved_by_the_chain(
    net: Devnet, heir: Customer, shared: dict[str, Any]
) -> None:
    async with branch(net, heir.signer.key, **shared) as one:
        await one.ask(heir.question())
        await one.kill()
    assert (await heir.client.budget.standing()).exposed.atoms == CAP

    await the_chain_and_the_journal_agree(heir)

    assert heir.client.payments.unresolved == ()
    assert await heir.exposed() == 0
    assert calls(heir) == 1


@pytest.mark.parametrize("moved", [False, True], ids=["another key", "key moved away"])
async def test_a_store_without_its_key_is_not_opened(
    shared: dict[str, Any], tmp_path: Path, customer: CustomerFactory, moved: bool
) -> None:
    one = await customer(**shared)
    await one.ask(idempotency_key=KEY)
    secrets = one.secrets
    await one.client.aclose()
    place = Path(shared["store_key"])
    if moved:
        place.rename(place.with_suffix(".away"))  # noqa: ASYNC240 - of no weight in a test
    else:
        place = tmp_path / "another" / "key"
    other = await customer(**shared | {"store_key": str(place)})

    with refused(
        ConfigurationError,
        "this store's secrets are sealed with the key",
        hint="store_key=",
        secrets=lambda: secrets,
    ):
        await other.ask()

    assert other.signer.count == 0
    assert other.book is None
