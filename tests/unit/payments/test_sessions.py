"""One signature for all callers of a route, and a cap that ends when it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import pytest

from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk.errors import NoNodeAvailableError
from opengradient_sdk.payments.sessions import MAX_AGE, SessionPool
from opengradient_sdk.payments.state import AuthorizationState, OpenAuthorization
from opengradient_sdk.types import Bytes32

from .makers import CAP, CHAT, TEE, SteppedClock, a_life

COMPLETIONS = "/v1/completions"
OTHER_TEE = Bytes32(b"\x02" * 32)


class Signing:
    """Opens authorizations when the test lets it, and counts them."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.nonces = count(1)
        self.begun = 0
        self.running = asyncio.Event()
        self.gate = asyncio.Event()
        self.failures: list[Exception] = []

    def opener(
        self, tee_id: Bytes32 = TEE, route: str = CHAT
    ) -> Callable[[], Awaitable[OpenAuthorization]]:
        async def open_() -> OpenAuthorization:
            self.begun += 1
            self.running.set()
            await self.gate.wait()
            if self.failures:
                raise self.failures.pop()
            return a_life(next(self.nonces), tee_id=tee_id, route=route, signed_at=self.clock.now())

        return open_


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def signing(clock: SteppedClock) -> Signing:
    return Signing(clock)


@pytest.fixture
async def pool(clock: SteppedClock) -> AsyncIterator[SessionPool]:
    supervisor = Supervisor()
    yield SessionPool(clock, supervisor)
    await supervisor.aclose()


async def joined(pool: SessionPool, signing: Signing, route: str = CHAT) -> OpenAuthorization:
    signing.gate.set()
    return await pool.join(TEE, route, signing.opener(route=route))


async def test_fifty_callers_share_one_signature(pool: SessionPool, signing: Signing) -> None:
    callers = [asyncio.create_task(pool.join(TEE, CHAT, signing.opener())) for _ in range(50)]
    await signing.running.wait()
    signing.gate.set()
    lives = await asyncio.gather(*callers)
    assert signing.begun == 1
    assert len(set(map(id, lives))) == 1
    assert lives[0].in_flight == 50
    assert pool.unresolved == (lives[0],)


async def test_whoever_comes_later_joins_without_a_wait(
    pool: SessionPool, signing: Signing
) -> None:
    first = await joined(pool, signing)
    assert await joined(pool, signing) is first
    assert (signing.begun, first.in_flight) == (1, 2)
    assert pool.is_current(first)


async def test_preparing_enters_nothing(pool: SessionPool, signing: Signing) -> None:
    signing.gate.set()
    life = await pool.prepare(TEE, CHAT, signing.opener())
    assert life.in_flight == 0
    assert await joined(pool, signing) is life


async def test_routes_and_nodes_have_caps_of_their_own(pool: SessionPool, signing: Signing) -> None:
    chat = await joined(pool, signing)
    completion = await joined(pool, signing, COMPLETIONS)
    elsewhere = await pool.join(OTHER_TEE, CHAT, signing.opener(OTHER_TEE))
    assert len({id(chat), id(completion), id(elsewhere)}) == 3
    assert pool.unresolved == (chat, completion, elsewhere)


async def test_a_failure_is_everybodys_and_the_next_caller_tries_again(
    pool: SessionPool, signing: Signing
) -> None:
    signing.failures = [ConnectionError("node down")]
    callers = [asyncio.create_task(pool.join(TEE, CHAT, signing.opener())) for _ in range(5)]
    await signing.running.wait()
    signing.gate.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["node down"] * 5
    assert pool.unresolved == ()
    assert (await joined(pool, signing)).in_flight == 1
    assert signing.begun == 2


@pytest.mark.parametrize("leaving", [0, 1, 2])
async def test_a_caller_who_leaves_takes_nothing_from_the_others(
    pool: SessionPool, signing: Signing, leaving: int
) -> None:
    callers = [asyncio.create_task(pool.join(TEE, CHAT, signing.opener())) for _ in range(3)]
    await signing.running.wait()
    callers[leaving].cancel()
    await asyncio.wait([callers[leaving]])
    signing.gate.set()
    stayed = await asyncio.gather(*(c for i, c in enumerate(callers) if i != leaving))
    assert callers[leaving].cancelled()
    assert signing.begun == 1
    assert stayed[0] is stayed[1]
    assert stayed[0].in_flight == 2


async def test_a_signature_that_nobody_waits_for_any_more_serves_the_next(
    pool: SessionPool, signing: Signing
) -> None:
    only = asyncio.create_task(pool.join(TEE, CHAT, signing.opener()))
    await signing.running.wait()
    only.cancel()
    await asyncio.wait([only])
    life = await joined(pool, signing)
    assert (signing.begun, life.in_flight) == (1, 1)


async def test_closing_ends_a_signature_under_way(clock: SteppedClock, signing: Signing) -> None:
    supervisor = Supervisor()
    pool = SessionPool(clock, supervisor)
    caller = asyncio.create_task(pool.join(TEE, CHAT, signing.opener()))
    await signing.running.wait()
    await supervisor.aclose()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert pool.unresolved == ()


async def test_no_new_call_after_its_time(
    pool: SessionPool, signing: Signing, clock: SteppedClock
) -> None:
    first = await joined(pool, signing)
    clock.seconds += MAX_AGE - 1
    assert await joined(pool, signing) is first
    clock.seconds += 1
    second = await joined(pool, signing)
    assert second is not first
    assert first.state is AuthorizationState.RETIRED
    assert not pool.is_current(first)
    assert pool.unresolved == (first, second)


async def test_a_clock_that_was_set_back_ends_it_too(
    pool: SessionPool, signing: Signing, clock: SteppedClock
) -> None:
    first = await joined(pool, signing)
    clock.seconds -= 3600
    assert await joined(pool, signing) is not first


async def test_rollover_under_load_signs_once(
    pool: SessionPool, signing: Signing, clock: SteppedClock
) -> None:
    old = await joined(pool, signing)
    signing.gate.clear()
    signing.running.clear()
    clock.seconds += MAX_AGE
    callers = [asyncio.create_task(pool.join(TEE, CHAT, signing.opener())) for _ in range(50)]
    await signing.running.wait()
    signing.gate.set()
    lives = await asyncio.gather(*callers)
    assert signing.begun == 2
    assert {id(life) for life in lives} == {id(lives[0])}
    assert (lives[0].in_flight, old.in_flight) == (50, 1)


async def test_renewed_before_the_cap_is_used_up(pool: SessionPool, signing: Signing) -> None:
    first = await joined(pool, signing)
    first.answered(CAP // 2)
    first.leave()
    assert await joined(pool, signing) is first  # a second half fits
    assert await joined(pool, signing) is not first  # beside one in flight it does not


async def test_a_late_answer_revives_no_session(pool: SessionPool, signing: Signing) -> None:
    first = await joined(pool, signing)
    pool.retire(first, by_node=True)
    first.opened("late", losses=0)
    assert first.session_id is None
    assert first.ended_by_node
    assert await joined(pool, signing) is not first


async def test_retiring_again_forgets_nothing(pool: SessionPool, signing: Signing) -> None:
    first = await joined(pool, signing)
    pool.retire(first, by_node=True)
    second = await joined(pool, signing)
    pool.retire(first)
    assert first.ended_by_node
    assert pool.is_current(second)


async def test_resolved_is_for_good(pool: SessionPool, signing: Signing) -> None:
    life = await joined(pool, signing)
    pool.resolved(life)
    pool.resolved(life)
    pool.retire(life)
    assert life.state is AuthorizationState.RESOLVED
    assert pool.unresolved == ()


async def test_a_reorg_brings_it_back_to_be_watched(pool: SessionPool, signing: Signing) -> None:
    life = await joined(pool, signing)
    pool.resolved(life)
    pool.reopened(life)
    assert pool.unresolved == (life,)
    assert life.state is AuthorizationState.RETIRED
    assert await joined(pool, signing) is not life


async def test_one_made_by_hand_is_watched_and_never_joined(
    pool: SessionPool, signing: Signing
) -> None:
    by_hand = a_life(99)
    pool.adopt(by_hand)
    assert await joined(pool, signing) is not by_hand
    assert by_hand in pool.unresolved


async def waste(pool: SessionPool, signing: Signing, times: int, *, served: int = 0) -> None:
    for _ in range(times):
        life = await joined(pool, signing)
        life.answered(served)
        life.leave()
        pool.retire(life, by_node=True)


async def test_a_node_that_drains_caps_is_left(pool: SessionPool, signing: Signing) -> None:
    await waste(pool, signing, 4)
    assert pool.is_drained_by(TEE)
    assert not pool.is_drained_by(OTHER_TEE)
    with pytest.raises(NoNodeAvailableError, match="4 open ones") as error:
        await joined(pool, signing)
    assert signing.begun == 4
    assert "client.payments.unresolved" in error.value.hint
    elsewhere = await pool.join(OTHER_TEE, CHAT, signing.opener(OTHER_TEE))
    assert elsewhere.in_flight == 1


async def test_three_lost_sessions_are_forgiven(pool: SessionPool, signing: Signing) -> None:
    await waste(pool, signing, 3)
    assert (await joined(pool, signing)).in_flight == 1


async def test_well_used_caps_are_no_waste(pool: SessionPool, signing: Signing) -> None:
    await waste(pool, signing, 6, served=CAP // 2)
    assert (await joined(pool, signing)).in_flight == 1


async def test_what_the_chain_has_spoken_about_is_no_waste(
    pool: SessionPool, signing: Signing
) -> None:
    await waste(pool, signing, 4)
    pool.resolved(pool.unresolved[0])
    assert (await joined(pool, signing)).in_flight == 1
