"""From the reserved cap to the chain's word: what is in the journal, and what the budget counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import ALL, location

from opengradient_sdk.errors import BudgetExceededError, LedgerError
from opengradient_sdk.payments.state import AuthorizationState
from opengradient_sdk.payments.status import NOT_LOOKED, PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32

from ..makers import CAP, CHAT, NOW, OWNER, PAYEE, TEE, a_life
from .clients import NETWORK, Client, a_client, a_reservation

TX = Bytes32(b"\x07" * 32)
LARGEST_NONCE = 2**256 - 1


def settled(atoms: int, state: PaymentState = PaymentState.SETTLED) -> PaymentStatus:
    return PaymentStatus(state, "seen", Amount(atoms), TX)


@pytest.fixture(params=ALL)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


@pytest.fixture
async def client(place: str) -> AsyncIterator[Client]:
    async with a_client(place, total=3 * CAP) as client:
        yield client


async def exposed_and_settled(client: Client) -> tuple[int, int]:
    standing = await client.journal.standing()
    return standing.exposed, standing.settled


async def secrets_kept(client: Client) -> int:
    rows = await client.sql('SELECT nonce FROM "authorization" WHERE secret IS NOT NULL')
    return len(rows)


async def test_a_cap_counts_before_anything_is_signed(client: Client) -> None:
    standing = await client.journal.reserve(a_reservation(1))
    assert (standing.exposed, standing.remaining) == (CAP, 2 * CAP)
    (entry,) = await client.journal.entries()
    assert entry.life is AuthorizationState.RESERVED
    assert await exposed_and_settled(client) == (CAP, 0)


async def test_what_does_not_fit_is_not_reserved(client: Client) -> None:
    with pytest.raises(BudgetExceededError):
        await client.journal.reserve(a_reservation(1, 3 * CAP + 1))
    assert await client.journal.entries() == []
    await client.journal.reserve(a_reservation(2, 3 * CAP))


async def test_everything_that_is_needed_to_ask_the_chain_is_kept(client: Client) -> None:
    life = await client.signed(LARGEST_NONCE)
    (entry,) = await client.journal.entries()
    assert (entry.owner, entry.network, entry.nonce) == (OWNER, NETWORK, LARGEST_NONCE)
    assert (entry.cap, entry.recipient, entry.tee_id, entry.route) == (CAP, PAYEE, TEE, CHAT)
    assert (entry.deadline, entry.signed_at) == (life.authorization.deadline, NOW)
    assert entry.from_block == 7
    assert (entry.state, entry.charged, entry.transaction) == (PaymentState.OPEN, None, None)
    assert entry.life is AuthorizationState.AUTHORIZED
    assert await secrets_kept(client) == 1


async def test_a_withdrawn_cap_is_free_again_signed_or_not(client: Client) -> None:
    await client.journal.reserve(a_reservation(1))
    await client.signed(2)
    for nonce in (1, 2):
        await client.journal.withdraw(nonce)
    assert await client.journal.entries() == []
    assert await exposed_and_settled(client) == (0, 0)


async def test_what_was_sent_cannot_be_withdrawn(client: Client) -> None:
    life = await client.signed(1)
    life.state = AuthorizationState.SENT
    client.journal.note(life)
    await client.journal.flushed()
    await client.journal.withdraw(1)
    assert await exposed_and_settled(client) == (CAP, 0)


async def test_nothing_is_written_without_its_reservation(client: Client) -> None:
    with pytest.raises(LedgerError, match="no longer holds the cap"):
        await client.journal.write(a_life(1))
    await client.journal.reserve(a_reservation(2, CAP - 1))
    with pytest.raises(LedgerError, match="no longer holds the cap"):
        await client.journal.write(a_life(2))
    assert await secrets_kept(client) == 0


async def test_one_nonce_is_reserved_once(client: Client) -> None:
    await client.journal.reserve(a_reservation(5))
    with pytest.raises(LedgerError, match=r"(?i)unique"):
        await client.journal.reserve(a_reservation(5))
    assert await exposed_and_settled(client) == (CAP, 0)


async def test_entries_are_oldest_first(client: Client) -> None:
    await client.signed(2, signed_at=NOW + 1)
    await client.signed(3)
    await client.signed(1)
    assert [entry.nonce for entry in await client.journal.entries()] == [1, 3, 2]


@pytest.mark.parametrize(
    "status",
    [
        settled(CAP // 3),
        settled(CAP // 3, PaymentState.FINAL),
        PaymentStatus(PaymentState.CANCELLED, "", Amount(0), TX),
        PaymentStatus(PaymentState.NOT_CHARGED, "", Amount(0)),
        PaymentStatus(PaymentState.UNKNOWN, ""),
        PaymentStatus(PaymentState.OPEN, ""),
    ],
    ids=lambda status: status.state.name,
)
async def test_the_chains_word_is_kept_and_counted(client: Client, status: PaymentStatus) -> None:
    life = await client.signed(1)
    await client.signed(2)
    assert await client.journal.resolve(life, status) is PaymentState.OPEN
    entry, other = await client.journal.entries()
    assert (entry.state, entry.charged, entry.transaction) == (
        status.state,
        status.amount,
        status.transaction,
    )
    assert other.state is PaymentState.OPEN
    assert (entry.life is AuthorizationState.RESOLVED) == status.state.resolved
    charged = status.amount.atoms if status.amount else 0
    open_ = 1 if status.state.resolved else 2
    assert await exposed_and_settled(client) == (open_ * CAP, charged)


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (PaymentState.OPEN, 1),
        (PaymentState.UNKNOWN, 1),
        (PaymentState.SETTLED, 1),
        (PaymentState.FINAL, 0),
        (PaymentState.CANCELLED, 0),
        (PaymentState.NOT_CHARGED, 0),
    ],
)
async def test_the_secret_is_gone_once_it_can_be_of_no_use(
    client: Client, state: PaymentState, kept: int
) -> None:
    life = await client.signed(1)
    await client.journal.resolve(life, settled(0, state))
    assert await secrets_kept(client) == kept


async def test_the_secret_is_gone_after_the_deadline(client: Client) -> None:
    life = await client.signed(1)
    client.clock.seconds = life.authorization.deadline
    await client.journal.resolve(life, settled(1))
    assert await secrets_kept(client) == 1
    client.clock.seconds += 1
    await client.journal.resolve(life, settled(1))
    assert await secrets_kept(client) == 0


async def test_a_reorg_back_and_forth_leaves_the_budget_exact(client: Client) -> None:
    life = await client.signed(1)
    open_again = PaymentStatus(PaymentState.OPEN, "")
    for word, counted in (
        (settled(7), (0, 7)),
        (open_again, (CAP, 0)),
        (settled(9), (0, 9)),
        (settled(5), (0, 5)),
        (PaymentStatus(PaymentState.UNKNOWN, ""), (CAP, 0)),
        (settled(5, PaymentState.FINAL), (0, 5)),
    ):
        await client.journal.resolve(life, word)
        assert await exposed_and_settled(client) == counted
    (entry,) = await client.journal.entries()
    assert entry.life is AuthorizationState.RESOLVED


async def test_what_a_reorg_reopened_serves_no_more_calls(client: Client) -> None:
    life = await client.signed(1)
    await client.journal.resolve(life, settled(7))
    await client.journal.resolve(life, NOT_LOOKED)
    (entry,) = await client.journal.entries()
    assert entry.life is AuthorizationState.RETIRED


@pytest.mark.parametrize("last", [PaymentState.FINAL, PaymentState.NOT_CHARGED])
async def test_a_last_word_is_never_taken_back(client: Client, last: PaymentState) -> None:
    life = await client.signed(1)
    await client.journal.resolve(life, settled(3, last))
    assert await client.journal.resolve(life, NOT_LOOKED) is last
    (entry,) = await client.journal.entries()
    assert entry.state is last
    assert await exposed_and_settled(client) == (0, 3)


async def test_what_the_journal_never_saw_cannot_be_resolved(client: Client) -> None:
    with pytest.raises(LedgerError, match="no authorization with the nonce 9"):
        await client.journal.resolve(a_life(9), settled(1))


async def test_several_who_look_at_one_authorization_count_it_once(place: str) -> None:
    if place == ":memory:":
        pytest.skip("nobody shares memory")
    async with a_client(place) as one, a_client(place) as other:
        life = await one.signed(1)
        former = await asyncio.gather(
            *(client.journal.resolve(life, settled(7)) for client in (one, other) * 4)
        )
        assert sorted(state.value for state in former) == ["open"] + ["settled"] * 7
        assert await exposed_and_settled(one) == (0, 7)


async def test_our_side_is_written_a_moment_later(client: Client) -> None:
    life = await client.signed(1)
    for state in (AuthorizationState.SENT, AuthorizationState.ACTIVE):
        life.state = state
        client.journal.note(life)
    await client.journal.flushed()
    (entry,) = await client.journal.entries()
    assert entry.life is AuthorizationState.ACTIVE


async def test_a_late_line_never_revives_what_is_resolved(client: Client) -> None:
    life = await client.signed(1)
    await client.journal.resolve(life, settled(7))
    life.state = AuthorizationState.ACTIVE
    client.journal.note(life)
    await client.journal.flushed()
    (entry,) = await client.journal.entries()
    assert entry.life is AuthorizationState.RESOLVED


async def test_any_authorization_can_be_found_without_its_secret(client: Client) -> None:
    life = await client.signed(1)
    found = await client.journal.find(1)
    assert found is not None
    signed = found.authorization
    assert (signed.nonce, signed.spender, signed.recipient) == (
        1,
        life.authorization.spender,
        PAYEE,
    )
    assert (signed.deadline, signed.max_amount) == (life.authorization.deadline, CAP)
    assert signed.facilitator == life.authorization.facilitator
    assert (signed.header, signed.signature) == ("", b"")
    assert found.status is NOT_LOOKED
    await client.journal.resolve(life, settled(7))
    found = await client.journal.find(1)
    assert found is not None
    assert (found.status.state, found.status.amount) == (PaymentState.SETTLED, Amount(7))
    assert found.status.transaction == TX
    assert await client.journal.find(2) is None
