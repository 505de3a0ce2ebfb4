"""What the dead and the gone leave behind, and who gets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.stores import DURABLE, location

from opengradient_sdk.errors import LedgerError
from opengradient_sdk.payments.journal import CallState, Interrupted
from opengradient_sdk.payments.state import AuthorizationState
from opengradient_sdk.payments.status import NOT_LOOKED, PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32

from ..makers import CAP, NOW, a_life
from .clients import NETWORK, Client, a_call, a_client, a_reservation


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


@pytest.fixture
async def heir(place: str) -> AsyncIterator[Client]:
    async with a_client(place) as client:
        yield client


async def noted(client: Client, nonce: int, state: AuthorizationState, **changes: Any) -> None:
    life = await client.signed(nonce)
    life.state = state
    for name, value in changes.items():
        setattr(life, name, value)
    client.journal.note(life)
    await client.journal.flushed()


async def test_what_a_dead_client_had_open_is_the_same_byte_for_byte(
    place: str, heir: Client
) -> None:
    dead = Client(place)
    life = await dead.signed(1)
    await dead.die()
    (inherited,) = await heir.journal.inherit()
    assert inherited.may_serve
    assert inherited.life.authorization == life.authorization
    assert inherited.life.payment_header() == life.payment_header()
    assert inherited.life.authorization.offer.raw == life.authorization.offer.raw
    assert inherited.life.authorization.typed_data.digest() == (
        life.authorization.typed_data.digest()
    )
    assert (inherited.life.tee_id, inherited.life.route) == (life.tee_id, life.route)
    assert (inherited.life.signed_at, inherited.life.from_block) == (NOW, 7)
    assert inherited.life.state is AuthorizationState.AUTHORIZED
    assert inherited.life.status is NOT_LOOKED
    assert await heir.journal.inherit() == []


async def test_the_living_keep_what_they_have(place: str, heir: Client) -> None:
    async with a_client(place) as living:
        await living.signed(1)
        await living.journal.reserve(a_reservation(2))
        assert await heir.journal.inherit() == []
        assert len(await heir.journal.entries()) == 2


async def test_one_of_many_heirs_gets_it(place: str) -> None:
    dead = Client(place)
    for nonce in range(1, 6):
        await dead.signed(nonce)
    await dead.die()
    heirs = [Client(place) for _ in range(4)]
    try:
        found = await asyncio.gather(*(client.journal.inherit() for client in heirs))
        nonces = [one.life.authorization.nonce for part in found for one in part]
        assert sorted(nonces) == [1, 2, 3, 4, 5]
    finally:
        for client in heirs:
            await client.aclose()


async def test_what_was_only_reserved_is_free_again(place: str, heir: Client) -> None:
    dead = Client(place)
    await dead.journal.reserve(a_reservation(1))
    await dead.die()
    assert await heir.journal.inherit() == []
    assert (await heir.journal.standing()).exposed == 0


async def test_who_was_thought_dead_cannot_sign_what_was_given_away(
    place: str, heir: Client
) -> None:
    async with a_client(place) as asleep:
        await asleep.journal.reserve(a_reservation(1))
        await asleep.sql("UPDATE payment_client SET alive_until = 0")
        await heir.journal.inherit()
        with pytest.raises(LedgerError, match="thought dead"):
            await asleep.journal.write(a_life(1))
        standing = await asleep.journal.reserve(a_reservation(2))
        assert standing.exposed == CAP
        await asleep.journal.write(a_life(2))
        assert await heir.journal.inherit() == []


async def test_who_was_thought_dead_has_no_say_any_more(place: str, heir: Client) -> None:
    async with a_client(place) as asleep:
        life = await asleep.signed(1)
        await asleep.sql("UPDATE payment_client SET alive_until = 0")
        (inherited,) = await heir.journal.inherit()
        assert inherited.may_serve
        life.state = AuthorizationState.RETIRED
        asleep.journal.note(life)
        await asleep.journal.flushed()
        (entry,) = await heir.journal.entries()
        assert entry.life is AuthorizationState.AUTHORIZED


async def test_what_its_calls_say_is_counted(place: str, heir: Client) -> None:
    dead = Client(place)
    await dead.signed(1)
    for number, (state, cost, attempts) in enumerate(
        [
            (CallState.SERVED, 300, 1),
            (CallState.SERVED, 400, 2),
            (CallState.SERVED, None, 1),
            (CallState.FAILED, None, 3),
            (CallState.UNKNOWN, None, 2),
            (CallState.PENDING, None, 1),
        ]
    ):
        dead.journal.begin(
            a_call(f"call-{number}", state=state, cost=cost, attempts=attempts, nonce=1)
        )
    dead.journal.begin(a_call("of another", state=CallState.SERVED, cost=9, nonce=2))
    await dead.journal.flushed()
    await dead.die()
    (inherited,) = await heir.journal.inherit()
    life = inherited.life
    # three were served, one is unknown, one was under way, and one may have left no line
    assert (life.calls, life.served, life.unpriced, life.in_flight) == (6, 700, 4, 0)
    assert life.resent == 1 + 2 + 1


async def test_calls_under_way_become_unknown_with_what_they_may_cost(
    place: str, heir: Client
) -> None:
    dead = Client(place)
    await dead.signed(1)
    dead.journal.begin(a_call("priced", nonce=1, estimate=1000, maybe_billed=500))
    dead.journal.begin(a_call("unpriced", nonce=1, estimate=None))
    await dead.journal.flushed()
    await dead.die()
    heir.clock.seconds += 60
    await heir.journal.inherit()
    priced, unpriced = await heir.journal.calls(1)
    assert (priced.state, priced.maybe_billed) == (CallState.UNKNOWN, 1500)
    assert (unpriced.state, unpriced.maybe_billed) == (CallState.UNKNOWN, CAP)
    assert (priced.ended_at, "its client ended" in priced.reason) == (NOW + 60, True)


async def test_a_client_that_leaves_lets_go_of_everything(place: str, heir: Client) -> None:
    leaving = Client(place)
    await leaving.signed(1)
    await leaving.journal.reserve(a_reservation(2))
    await leaving.journal.admit(a_call(key="k", nonce=1))
    leaving.journal.change(a_call("call-2", state=CallState.SERVED, cost=5, nonce=1))
    await leaving.aclose()
    (inherited,) = await heir.journal.inherit()
    # nothing is missing of what it sent: one call served, one whose end nobody knows
    assert inherited.may_serve
    assert (inherited.life.calls, inherited.life.served, inherited.life.unpriced) == (2, 5, 1)
    assert isinstance(await heir.journal.admit(a_call(key="k")), Interrupted)
    assert (await heir.journal.standing()).exposed == CAP


@pytest.mark.parametrize(
    ("state", "ended", "serves"),
    [
        (AuthorizationState.AUTHORIZED, False, True),
        (AuthorizationState.SENT, False, True),
        (AuthorizationState.ACTIVE, False, True),
        (AuthorizationState.ACTIVE, True, False),
        (AuthorizationState.RETIRED, False, False),
    ],
)
async def test_what_has_ended_is_only_watched(
    place: str, heir: Client, state: AuthorizationState, *, ended: bool, serves: bool
) -> None:
    dead = Client(place)
    await noted(dead, 1, state, ended_by_node=ended)
    await dead.die()
    (inherited,) = await heir.journal.inherit()
    assert inherited.may_serve is serves
    assert (inherited.life.state, inherited.life.ended_by_node) == (state, ended)


async def test_another_budgets_cap_is_only_watched(place: str, heir: Client) -> None:
    dead = Client(place, name="job-17")
    await dead.signed(1)
    await dead.die()
    (inherited,) = await heir.journal.inherit()
    assert not inherited.may_serve
    assert (await heir.journal.standing()).exposed == 0


async def test_a_secret_that_is_damaged_leaves_a_cap_to_be_watched(
    place: str, heir: Client, caplog: pytest.LogCaptureFixture
) -> None:
    dead = Client(place)
    life = await dead.signed(1)
    await dead.signed(2)
    await dead.sql(
        'UPDATE "authorization" SET secret = (SELECT secret FROM "authorization" WHERE nonce = ?)'
        " WHERE nonce = ?",
        "2",
        "1",
    )
    await dead.die()
    watched, whole = await heir.journal.inherit()
    assert (watched.may_serve, whole.may_serve) == (False, True)
    assert watched.life.authorization.header == ""
    assert watched.life.authorization.deadline == life.authorization.deadline
    assert "can only be watched" in caplog.text


async def test_after_its_deadline_a_cap_is_only_watched(place: str, heir: Client) -> None:
    dead = Client(place)
    life = await dead.signed(1)
    await dead.die()
    heir.clock.seconds = life.authorization.deadline + 1
    (inherited,) = await heir.journal.inherit()
    assert not inherited.may_serve
    rows = await heir.sql('SELECT secret FROM "authorization"')
    assert rows == [(None,)]


@pytest.mark.parametrize("state", [PaymentState.UNKNOWN, PaymentState.SETTLED])
async def test_only_what_the_chain_has_not_spoken_of_is_inherited(
    place: str, heir: Client, state: PaymentState
) -> None:
    dead = Client(place)
    life = await dead.signed(1)
    await dead.journal.resolve(life, PaymentStatus(state, "", Amount(1), Bytes32(b"\1" * 32)))
    await dead.die()
    inherited = await heir.journal.inherit()
    assert [one.life.status.state for one in inherited] == (
        [state] if state is PaymentState.UNKNOWN else []
    )


async def test_rows_of_the_first_version_are_watched(place: str, heir: Client) -> None:
    await heir.journal.join()
    await heir.sql(
        'INSERT INTO "authorization" (owner, network, nonce, asset, cap, recipient, facilitator,'
        " spender, deadline, tee_id, route, signed_at, from_block, state)"
        " SELECT owner, ?, '7', ?, '5', ?, NULL, ?, 9, ?, '/r', 1.5, 3, 'open' FROM payment_client",
        NETWORK,
        *(["0x" + "ab" * 20] * 3),
        "0x" + "01" * 32,
    )
    (inherited,) = await heir.journal.inherit()
    assert not inherited.may_serve
    life = inherited.life
    assert (life.cap, life.authorization.facilitator, life.calls) == (5, None, 0)
    assert life.state is AuthorizationState.RETIRED
