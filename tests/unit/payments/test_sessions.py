"""One signature for all callers of a route, and a cap that ends when it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import pytest

from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk.payments.conduct import NodeConduct
from opengradient_sdk.payments.lives import Lives
from opengradient_sdk.payments.sessions import MAX_AGE, SessionPool
from opengradient_sdk.payments.state import AuthorizationState, OpenAuthorization
from opengradient_sdk.types import Bytes32

from .makers import CAP, CHAT, TEE, SteppedClock, a_life

COMPLETIONS = "/v1/completions"
OTHER_TEE = Bytes32(b"\x02" * 32)


class Signing:
    """Opens authorizations when the test lets it, and counts them, as a client does."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.lives = Lives(clock, lambda _life: None, NodeConduct(clock))
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
            life = a_life(next(self.nonces), tee_id=tee_id, route=route, signed_at=self.clock.now())
            self.lives.add(life)
            return life

        return open_


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def signing(clock: SteppedClock) -> Signing:
    return Signing(clock)


@pytest.fixture
async def pool(clock: SteppedClock, signing: Signing) -> AsyncIterator[SessionPool]:
    supervisor = Supervisor()
    yield SessionPool(clock, supervisor, signing.lives)
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
    assert signing.lives.unresolved == (lives[0],)


async def test_whoever_comes_later_joins_without_a_wait(
    pool: SessionPool, signing: Signing
) -> None:
    first = await joined(pool, signing)
    assert await joined(pool, signing) is first
    assert (signing.begun, first.in_flight) == (1, 2)
    assert pool.current(TEE, CHAT) is first


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
    assert signing.lives.unresolved == (chat, completion, elsewhere)


async def test_a_failure_is_everybodys_and_the_next_caller_tries_again(
    pool: SessionPool, signing: Signing
) -> None:
    signing.failures = [ConnectionError("node down")]
    callers = [asyncio.create_task(pool.join(TEE, CHAT, signing.opener())) for _ in range(5)]
    await signing.running.wait()
    signing.gate.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["node down"] * 5
    assert signing.lives.unresolved == ()
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
    pool = SessionPool(clock, supervisor, signing.lives)
    caller = asyncio.create_task(pool.join(TEE, CHAT, signing.opener()))
    await signing.running.wait()
    await supervisor.aclose()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert signing.lives.unresolved == ()


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
    assert pool.current(TEE, CHAT) is second
    assert signing.lives.unresolved == (first, second)


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
    signing.lives.retire(first, by_node=True)
    first.opened("late", losses=0)
    assert first.session_id is None
    assert first.ended_by_node
    assert await joined(pool, signing) is not first


async def test_retiring_again_takes_nothing_from_its_successor(
    pool: SessionPool, signing: Signing
) -> None:
    first = await joined(pool, signing)
    signing.lives.retire(first, by_node=True)
    second = await joined(pool, signing)
    signing.lives.retire(first)
    assert first.ended_by_node
    assert pool.current(TEE, CHAT) is second


async def test_one_made_by_hand_is_watched_and_never_joined(
    pool: SessionPool, signing: Signing
) -> None:
    by_hand = a_life(99)
    signing.lives.retire(by_hand)
    signing.lives.add(by_hand)
    assert await joined(pool, signing) is not by_hand
    assert by_hand in signing.lives.unresolved


async def test_nothing_is_current_before_it_is_signed(pool: SessionPool) -> None:
    assert pool.current(TEE, CHAT) is None


async def test_a_young_session_that_another_client_left_goes_on(
    pool: SessionPool, signing: Signing, clock: SteppedClock
) -> None:
    left = a_life(99, signed_at=clock.now() - MAX_AGE + 1)
    assert pool.inherit(left)
    assert await joined(pool, signing) is left
    assert signing.begun == 0


async def test_an_old_one_does_not(
    pool: SessionPool, signing: Signing, clock: SteppedClock
) -> None:
    assert not pool.inherit(a_life(99, signed_at=clock.now() - MAX_AGE))
    assert (await joined(pool, signing)).nonce == 1


async def test_ones_own_session_comes_before_an_inherited_one(
    pool: SessionPool, signing: Signing
) -> None:
    own = await joined(pool, signing)
    assert not pool.inherit(a_life(99))
    assert await joined(pool, signing) is own


async def test_a_signature_under_way_comes_before_an_inherited_one(
    pool: SessionPool, signing: Signing
) -> None:
    caller = asyncio.create_task(pool.join(TEE, CHAT, signing.opener()))
    await signing.running.wait()
    assert not pool.inherit(a_life(99))
    signing.gate.set()
    assert (await caller).nonce == 1


async def test_all_can_be_ended_at_once_so_that_nodes_settle(
    pool: SessionPool, signing: Signing
) -> None:
    chat, completion = await joined(pool, signing), await joined(pool, signing, COMPLETIONS)
    pool.retire_all()
    assert chat.state is completion.state is AuthorizationState.RETIRED
    assert not pool.takes(chat)
    assert signing.lives.unresolved == (chat, completion)
    assert await joined(pool, signing) is not chat
