"""Several endpoints on one payment: what they agree on, and who is named where they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.scripted_ledger import RefusalError, ScriptedLedger

from opengradient_sdk.chain.blocks import Block
from opengradient_sdk.chain.contracts import UptoProxy
from opengradient_sdk.errors import ChainError, RpcError
from opengradient_sdk.payments.settlement.testimony import (
    Claim,
    Confirmation,
    Ending,
    Silent,
    View,
)
from opengradient_sdk.payments.settlement.verdict import Hearing
from opengradient_sdk.payments.status import NotChargedProof, PaymentState
from opengradient_sdk.types import Amount, Bytes32

from .makers import OWNER
from .test_settlement import (
    CHARGE,
    CLAIM,
    DEADLINE,
    NONCE,
    a_settle,
    expire,
    mine,
    settle,
    status_on,
)

A, B = "http://a/…", "http://b/…"
BAD = Bytes32(b"\x66" * 32)
Lie = Callable[[ScriptedLedger], None]


@pytest.fixture
def pair() -> tuple[ScriptedLedger, ScriptedLedger]:
    return ScriptedLedger(), ScriptedLedger()


def used_bit(_: list[Any], __: Any) -> str:
    return "0x" + (1 << (NONCE & 255)).to_bytes(32, "big").hex()


def no_bit(_: list[Any], __: Any) -> str:
    return "0x" + bytes(32).hex()


def another_time(_: list[Any], block: Any) -> Any:
    return block and {**block, "timestamp": hex(int(block["timestamp"], 16) + 1)}


def another_hash(params: list[Any], block: Any) -> Any:
    return block if params[0] in ("latest", "finalized") else {**block, "hash": str(BAD)}


def tell(method: str, lie: Callable[[list[Any], Any], Any]) -> Lie:
    def apply(ledger: ScriptedLedger) -> None:
        ledger.lies[method] = lie

    return apply


def refuse_hashes(params: list[Any], honest: Any) -> Any:
    if isinstance(params[1], dict):
        raise RefusalError("invalid argument 1: not a block number")
    return honest


def sees_others(ledger: ScriptedLedger) -> None:
    """Another nonce of the word, which the other endpoint does not see used."""
    ledger.use(NONCE + 1)


class TestNotCharged:
    """Every endpoint has to confirm the same block and the same nonces."""

    async def test_the_proof_names_all_who_agree(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        expire(*pair)
        status = await status_on(*pair)
        assert status.state is PaymentState.NOT_CHARGED
        assert status.proof == NotChargedProof(
            chain_id=31337,
            block_number=25,
            block_hash=Bytes32(pair[0].hash_of(25)),
            block_timestamp=DEADLINE + 1,
            deadline=DEADLINE,
            bitmap=0,
            rpcs=(A, B),
        )
        assert (status.rpcs, status.disagreeing) == ((A, B), ())
        assert [len(ledger.asked) for ledger in pair] == [2, 2]

    async def test_the_block_is_the_one_furthest_behind(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        expire(*pair)
        for ledger in pair:
            ledger.times |= {23: DEADLINE + 1}
        pair[1].finalized = 23
        status = await status_on(*pair)
        assert (status.state, status.block_number) == (PaymentState.NOT_CHARGED, 23)

    @pytest.mark.parametrize(
        "lie",
        [
            tell("eth_getBlockByNumber", another_time),
            tell("eth_getBlockByHash", another_time),
            tell("eth_getBlockByNumber", another_hash),
            tell("eth_call", used_bit),
            sees_others,
        ],
        ids=["time", "time by hash", "hash", "used", "another bitmap"],
    )
    async def test_a_liar_makes_it_unknown_and_is_named(
        self, pair: tuple[ScriptedLedger, ScriptedLedger], lie: Lie
    ) -> None:
        expire(*pair)
        lie(pair[1])
        status = await status_on(*pair)
        assert (status.state, status.proof, status.amount) == (PaymentState.UNKNOWN, None, None)
        assert [told.split()[0] for told in status.disagreeing] == [A, B]
        assert all(told in status.reason for told in status.disagreeing)

    @pytest.mark.parametrize(
        "trouble",
        [
            lambda ledger: setattr(ledger, "down", True),
            tell("eth_call", refuse_hashes),
            tell("eth_getBlockByHash", lambda _, __: None),
            tell(
                "eth_getBlockByNumber", lambda params, block: None if "0x" in params[0] else block
            ),
            tell("eth_getBlockByNumber", lambda params, block: None if "f" in params[0] else block),
        ],
        ids=["down", "no EIP-1898", "no blocks by hash", "no such block", "no finalized"],
    )
    async def test_one_that_cannot_say_leaves_it_open_and_is_named(
        self, pair: tuple[ScriptedLedger, ScriptedLedger], trouble: Lie
    ) -> None:
        expire(*pair)
        trouble(pair[1])
        status = await status_on(*pair)
        assert (status.state, status.proof) == (PaymentState.OPEN, None)
        assert B in status.reason
        assert A not in status.reason

    @pytest.mark.parametrize("head", [30, 20])
    async def test_one_that_is_behind_leaves_it_open(
        self, pair: tuple[ScriptedLedger, ScriptedLedger], head: int
    ) -> None:
        expire(*pair)
        pair[1].latest, pair[1].finalized = head, 20
        assert (await status_on(*pair)).state is PaymentState.OPEN

    async def test_one_that_falls_silent_before_it_confirms_leaves_it_open(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        expire(*pair)
        pair[1].lies["eth_getBlockByHash"] = lambda _, __: 7
        status = await status_on(*pair)
        assert status.state is PaymentState.OPEN
        assert f"{B} could not be asked" in status.reason

    async def test_a_block_by_hash_that_is_another_is_told(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        expire(*pair)
        pair[1].lies["eth_getBlockByHash"] = another_time
        told = (await status_on(*pair)).disagreeing[1]
        assert f"by hash block 25 at {DEADLINE + 2}" in told


class TestSettled:
    """Seen by every endpoint that answers, in the same block, for the same amount."""

    async def test_all_see_it(self, pair: tuple[ScriptedLedger, ScriptedLedger]) -> None:
        settle(*pair)
        status = await status_on(*pair)
        assert (status.state, status.rpcs) == (PaymentState.FINAL, (A, B))

    async def test_it_is_final_when_all_say_so(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        settle(*pair)
        pair[1].finalized = 21
        status = await status_on(*pair)
        assert (status.state, status.final) == (PaymentState.SETTLED, False)
        pair[1].lies["eth_getBlockByNumber"] = lambda params, block: (
            None if params[0] == "finalized" else block
        )
        status = await status_on(*pair)
        assert (status.state, status.final) == (PaymentState.SETTLED, False)

    async def test_one_that_is_away_keeps_it_from_being_final(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        settle(*pair)
        pair[1].down = True
        status = await status_on(*pair)
        assert (status.state, status.rpcs) == (PaymentState.SETTLED, (A,))
        assert f"{B} could not be asked" in status.reason

    async def test_one_that_is_behind_is_no_contradiction(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        settle(*pair)
        pair[1].latest = 21
        status = await status_on(*pair)
        assert (status.state, status.amount, status.disagreeing) == (PaymentState.OPEN, None, ())
        assert f"{B} is only at block 21" in status.reason

    @pytest.mark.parametrize(
        "lie",
        [
            tell("eth_call", no_bit),
            tell("eth_getLogs", lambda _, __: []),
            tell("eth_getTransactionByHash", lambda _, __: None),
            tell("eth_getTransactionReceipt", lambda _, __: None),
            tell("eth_getBlockByNumber", another_hash),
        ],
        ids=["unused", "no logs", "no transaction", "no receipt", "another block"],
    )
    async def test_a_liar_makes_it_unknown_and_is_named(
        self, pair: tuple[ScriptedLedger, ScriptedLedger], lie: Lie
    ) -> None:
        settle(*pair)
        lie(pair[1])
        status = await status_on(*pair)
        assert (status.state, status.amount) == (PaymentState.UNKNOWN, None)
        assert [told.split()[0] for told in status.disagreeing] == [A, B]

    async def test_a_fork_is_a_contradiction(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        settle(*pair)
        pair[1].fork, pair[1].fork_from = "'", 20
        status = await status_on(*pair)
        assert status.state is PaymentState.UNKNOWN
        assert pair[0].hash_of(22) in status.disagreeing[0]
        assert pair[1].hash_of(22) in status.disagreeing[1]

    async def test_another_amount_is_a_contradiction(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        settle(pair[0])
        pair[1].use(NONCE)
        mine(pair[1], UptoProxy.encode_settle(a_settle(amount=CHARGE - 1)), moved=CHARGE - 1)
        assert (await status_on(*pair)).state is PaymentState.UNKNOWN

    async def test_a_cancellation_where_others_see_a_settlement_is_a_contradiction(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        settle(pair[0])
        for ledger in pair:
            ledger.burn(NONCE, owner=OWNER, block=24)
        status = await status_on(*pair)
        assert status.state is PaymentState.UNKNOWN
        assert "cancelled by" in status.disagreeing[1]

    async def test_an_invented_use_is_a_contradiction(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        pair[1].lies["eth_call"] = used_bit
        status = await status_on(*pair)
        assert status.state is PaymentState.UNKNOWN
        assert status.disagreeing == (
            f"{A} says unused at block 30",
            f"{B} says used at block 30, with no settlement or cancellation",
        )

    async def test_a_use_that_nobody_can_explain_names_who_was_not_heard(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        pair[0].use(NONCE)
        pair[1].down = True
        status = await status_on(*pair)
        assert (status.state, status.disagreeing) == (PaymentState.UNKNOWN, ())
        assert f"{B} could not be asked" in status.reason

    async def test_a_cancellation_says_who_was_not_heard(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        pair[0].burn(NONCE, owner=OWNER)
        pair[1].down = True
        status = await status_on(*pair)
        assert (status.state, status.final) == (PaymentState.CANCELLED, False)
        assert "reorg" in status.reason
        assert f"{B} could not be asked" in status.reason


class TestAskingAtOnce:
    """Nobody waits for anybody, and nothing is left behind."""

    async def test_a_slow_one_does_not_hold_the_others(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        settle(*pair)
        pair[1].held = asyncio.Event()
        asking = asyncio.create_task(status_on(*pair))
        while len(pair[0].asked) < 4:  # noqa: ASYNC110 - a fake chain has no event for it
            await asyncio.sleep(0)
        assert pair[1].asked == []
        pair[1].held.set()
        assert (await asking).state is PaymentState.FINAL

    async def test_cancelling_ends_every_question(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        before = asyncio.all_tasks()
        pair[1].held = asyncio.Event()
        asking = asyncio.create_task(status_on(*pair))
        while not pair[0].asked:  # noqa: ASYNC110 - a fake chain has no event for it
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert asyncio.all_tasks() == before

    async def test_one_whose_node_refuses_to_answer_is_named(
        self, pair: tuple[ScriptedLedger, ScriptedLedger]
    ) -> None:
        def refuse(_: list[Any], __: Any) -> None:
            raise RefusalError("you have no access")

        expire(*pair)
        pair[1].lies["eth_call"] = refuse
        status = await status_on(*pair)
        assert status.state is PaymentState.OPEN
        assert str(status).startswith("open: not settled")
        assert f"{B} could not be asked" in status.reason
        assert "you have no access" in status.reason


async def test_when_nobody_answers_all_are_named(
    pair: tuple[ScriptedLedger, ScriptedLedger],
) -> None:
    for ledger in pair:
        ledger.down = True
    with pytest.raises(ChainError, match="no payments RPC could be asked") as error:
        await status_on(*pair)
    assert A in error.value.short_message
    assert B in error.value.short_message
    assert "secret" not in str(error.value)


# what endpoints may say, whatever the truth is

HASHES = st.sampled_from([Bytes32(bytes([n]) * 32) for n in (1, 2)])
HEIGHTS = st.integers(18, 26)
ENDINGS = st.builds(
    Ending,
    state=st.sampled_from([PaymentState.SETTLED, PaymentState.CANCELLED]),
    amount=st.sampled_from([0, CHARGE, CHARGE + 1]),
    transaction=HASHES,
    block_number=HEIGHTS,
    block_hash=HASHES,
    hash_by_number=st.none() | HASHES,
)
TIMES = st.integers(DEADLINE - 3, DEADLINE + 3)
BLOCKS = st.builds(Block, number=HEIGHTS, hash=HASHES, timestamp=TIMES)
VIEWS = st.builds(
    View,
    name=st.sampled_from(["a", "b", "c"]),
    latest=BLOCKS,
    finalized=st.none() | BLOCKS,
    used=st.booleans(),
    ending=st.none() | ENDINGS,
).map(lambda view: view if view.used else View(view.name, view.latest, view.finalized, False))
SILENT = st.lists(st.just(Silent("d", RpcError("away"))), max_size=1).map(tuple)
CONFIRMATIONS = st.builds(
    Confirmation,
    name=st.sampled_from(["a", "b"]),
    by_number=st.none() | BLOCKS,
    by_hash=st.none() | BLOCKS,
    bitmap=st.none() | st.sampled_from([0, 1, 1 << (NONCE & 255)]),
)


OVER = st.builds(
    Block, number=HEIGHTS, hash=HASHES, timestamp=st.integers(DEADLINE + 1, DEADLINE + 3)
)
FREE = st.builds(
    View,
    name=st.sampled_from(["a", "b", "c"]),
    latest=st.builds(Block, number=st.just(30), hash=HASHES, timestamp=st.just(DEADLINE + 9)),
    finalized=OVER,
    used=st.just(value=False),
)


def heard(views: list[View], silent: tuple[Silent, ...]) -> Hearing:
    return Hearing(CLAIM, 31337, tuple(views), silent)


@given(st.lists(VIEWS, min_size=1, max_size=3), SILENT)
def test_an_end_is_what_all_see_alike(views: list[View], silent: tuple[Silent, ...]) -> None:
    """Whatever they say: no end that one of them does not see, none that is final too early."""
    hearing = heard(views, silent)
    assume(hearing.is_used)
    status = hearing.ended()
    assert status.state is not PaymentState.NOT_CHARGED
    if status.state.resolved:
        endings = {view.ending for view in views}
        assert len(endings) == 1
        (ending,) = endings
        assert ending is not None
        assert ending.block_hash == ending.hash_by_number == status.block_hash
        assert status.amount == Amount(ending.amount)
    if status.state is PaymentState.FINAL or status.final:
        assert not silent
        assert all(view.finalized is not None for view in views)
        assert all(
            view.finalized.number >= (status.block_number or 0) for view in views if view.finalized
        )
    if status.disagreeing:
        assert status.state is PaymentState.UNKNOWN
        assert [told[0] for told in status.disagreeing] == [view.name for view in views]


@given(st.lists(VIEWS | FREE, min_size=1, max_size=3), SILENT)
def test_a_proof_is_asked_for_when_all_call_a_later_block_final(
    views: list[View], silent: tuple[Silent, ...]
) -> None:
    still_open = heard(views, silent).unproven()
    if still_open is not None:
        assert still_open.state is PaymentState.OPEN
        return
    finals = [view.finalized for view in views]
    assert not silent
    assert min(block.number for block in finals if block) == heard(views, ()).proof_block().number
    assert heard(views, ()).proof_block().timestamp > DEADLINE
    assert None not in finals


@given(
    st.lists(FREE, min_size=1, max_size=3),
    st.lists(CONFIRMATIONS, min_size=1, max_size=3),
    st.booleans(),
)
def test_nothing_is_free_of_charge_unless_all_confirm_the_same_block(
    views: list[View], confirmations: list[Confirmation], honest: bool
) -> None:
    hearing = heard(views, ())
    block = hearing.proof_block()
    if honest:
        confirmations = [Confirmation(view.name, block, block, 1) for view in views]
    status = hearing.proven(confirmations)
    agreed = all(
        (one.by_number, one.by_hash) == (block, block) and one.bitmap == confirmations[0].bitmap
        for one in confirmations
    )
    free = confirmations[0].bitmap is not None and not confirmations[0].bitmap >> CLAIM.bit & 1
    assert (status.state is PaymentState.NOT_CHARGED) is (agreed and free)
    assert (status.proof is not None) is (status.state is PaymentState.NOT_CHARGED)


@given(st.integers(0, 2**256 - 1))
def test_a_nonce_is_one_bit_of_one_word(nonce: int) -> None:
    claim = Claim(OWNER, nonce, OWNER, 0, OWNER, 0)
    assert (claim.word << 8) + claim.bit == nonce
    assert 0 <= claim.bit < 256
