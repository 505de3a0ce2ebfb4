"""Whatever nodes do, in whatever order: the books of the client, the node and the chain agree."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from opengradient_sdk import Amount, CheckStatus, Devnet
from opengradient_sdk.client.refreshing import charge_check
from opengradient_sdk.devnet.node.faults import Faults
from opengradient_sdk.errors import (
    NoNodeAvailableError,
    OpenGradientError,
    Spent,
    VerificationError,
)

from .conftest import make_honest
from .kit import CAP, Customer, CustomerFactory

BUDGET = 20 * CAP
CAP_AMOUNT = Amount(CAP)
STEPS = 30

FAULTS: dict[str, Callable[[Faults], None]] = {
    "lost before the work": lambda faults: setattr(faults, "drop_before_work", True),
    "lost after the work": lambda faults: setattr(faults, "drop_after_work", True),
    "one session forgotten": lambda faults: setattr(faults, "bare_402", 1),
    "session and permit forgotten": lambda faults: setattr(faults, "bare_402", 2),
    "out of order": lambda faults: setattr(faults, "status", 500),
    "nonsense": lambda faults: setattr(faults, "garbage_body", True),
    "a lie": lambda faults: setattr(faults, "wrong_output_hash", True),
    "no price": lambda faults: setattr(faults, "price_unavailable", True),
    "never content": lambda faults: setattr(faults, "never_pay", True),
}


async def one_call(buyer: Customer, chance: random.Random) -> OpenGradientError | None:
    """Ask one way or the other; return what went wrong."""
    question = buyer.question(messages="x" * chance.randint(1, 600))
    try:
        if chance.random() < 0.3:
            async with buyer.client.chat.stream(**question) as stream:
                if chance.random() < 0.7:
                    await stream.get_final_reply()
        else:
            await buyer.client.chat.create(**question)
    except OpenGradientError as error:
        return error
    return None


async def pass_time(net: Devnet, seconds: int) -> None:
    """Let time pass as it does: the node settles when a session is idle, not long after."""
    for step in [50] * (seconds // 50) + [seconds % 50]:
        await net.advance(step)


async def assert_books_agree(buyer: Customer) -> None:
    exposed, settled = await buyer.exposed(), await buyer.settled()
    assert exposed == CAP * len(buyer.client.payments.unresolved)
    assert exposed + settled <= BUDGET
    assert len(buyer.signer.typed_data) == len(await buyer.journal()) == len(buyer.lives)
    assert all(life.in_flight == 0 for life in buyer.lives)


async def settled_by_the_chain(buyer: Customer) -> None:
    """Let every permit be settled or expire, in finalized blocks, and ask about each."""
    await pass_time(buyer.net, 450)
    await buyer.net.mine(9)
    for life in buyer.lives:
        await buyer.client.payments.status(life.authorization)


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 12))]
)
async def test_the_books_agree_whatever_happens(
    customer: CustomerFactory, net: Devnet, seed: int
) -> None:
    chance = random.Random(seed)
    buyer = await customer(budget=BUDGET, opg="10", eth="1")
    answered = 0
    for _ in range(STEPS):
        make_honest(net)
        if chance.random() < 0.5:
            FAULTS[chance.choice(list(FAULTS))](net.nodes[0].faults)
        calls = [one_call(buyer, chance) for _ in range(chance.randint(1, 4))]
        errors = [error for error in await asyncio.gather(*calls) if error is not None]
        answered += len(calls) - len(errors)
        assert all(
            e.spent is Spent.NO or e.amount is None or e.amount <= CAP_AMOUNT for e in errors
        )
        if any(isinstance(error, VerificationError | NoNodeAvailableError) for error in errors):
            await pass_time(net, 301)  # until the node is forgiven
        elif chance.random() < 0.3:
            await pass_time(net, chance.choice([5, 60, 120]))
        await assert_books_agree(buyer)
    make_honest(net)
    await settled_by_the_chain(buyer)

    book = buyer.book
    assert answered > STEPS // 2
    assert book is not None
    assert book.balanced
    assert buyer.client.payments.unresolved == ()
    assert (await buyer.exposed(), await buyer.settled()) == (0, book.settled)
    balances = await buyer.client.wallet.balances()
    assert balances.opg.atoms == 100 * CAP - book.settled
    for life in buyer.lives:
        check = charge_check(life, life.status)
        assert check.status in (CheckStatus.PASSED, CheckStatus.NOT_CHECKED), check
