"""Fees: named strategies, caps that hold, and chains without a base fee."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.chain import Draft, Rpc
from opengradient_sdk.chain.fees import FAST, NORMAL, SLOW, FeeQuote, Fees, FeeStrategy, capped
from opengradient_sdk.errors import ConfigurationError, FeeTooLowError, RpcError
from opengradient_sdk.types import Address, Bytes32, CodeAuthorization, TxRequest, TxType

ALICE = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
GWEI = 10**9
HISTORY = {
    "oldestBlock": "0x1",
    "baseFeePerGas": [hex(5 * GWEI), hex(6 * GWEI), hex(7 * GWEI), hex(8 * GWEI)],
    "gasUsedRatio": [0.1, 0.2, 0.3],
    "reward": [[hex(3 * GWEI)], [hex(GWEI)], [hex(2 * GWEI)]],
}
OLD_BLOCK = {
    "number": "0x7",
    "hash": "0x" + "07" * 32,
    "timestamp": "0x1",
    "gasLimit": hex(30_000_000),
}
KEYS = ((BOB, (Bytes32(b"\1" * 32),)),)
AUTHORIZATION = CodeAuthorization(1, BOB, 0, 0, 1, 1)


def draft(**fields: Any) -> Draft:
    return Draft(TxRequest(**{"to": BOB, "chain_id": 1, "gas": 21_000, **fields}), ALICE)


def fees(strategy: FeeStrategy | str = NORMAL, block_time: float = 1000.0) -> Fees:
    return Fees(ShiftedClock(), block_time=block_time, strategy=strategy)


@pytest.fixture
def node(node: Any) -> Any:
    node.results["eth_feeHistory"] = HISTORY
    return node


@pytest.fixture(params=["empty history", "zeros", "no such method"])
def old(request: pytest.FixtureRequest, node: Any, fails: Any) -> Any:
    """A chain without a base fee, in the ways that nodes say so."""
    node.results["eth_getBlockByNumber"] = OLD_BLOCK
    node.results["eth_gasPrice"] = hex(10 * GWEI)
    node.results["eth_feeHistory"] = {
        "empty history": {"oldestBlock": "0x1", "gasUsedRatio": [0.5]},
        "zeros": {**HISTORY, "baseFeePerGas": ["0x0", "0x0"], "reward": [["0x1"]]},
        "no such method": fails(-32601, "the method eth_feeHistory does not exist"),
    }[request.param]
    return node


@pytest.mark.parametrize(
    ("asked", "cap", "tip"),
    [
        ({}, 18 * GWEI, 2 * GWEI),
        ({"max_priority_fee_per_gas": 5}, 16 * GWEI + 5, 5),
        ({"max_fee_per_gas": 9 * GWEI}, 9 * GWEI, 2 * GWEI),
        ({"max_fee_per_gas": GWEI}, GWEI, GWEI),
        ({"max_fee_per_gas": 7, "max_priority_fee_per_gas": 0}, 7, 0),
    ],
)
async def test_fees_are_the_median_tip_and_twice_the_next_base_fee(
    node: Any, rpc: Rpc, asked: dict[str, int], cap: int, tip: int
) -> None:
    prepared = (await fees().fill(draft(**asked), rpc)).prepared(0)
    assert (prepared.max_fee_per_gas, prepared.max_priority_fee_per_gas) == (cap, tip)
    assert prepared.type is TxType.DYNAMIC_FEE


@pytest.mark.parametrize(
    ("strategy", "percentile", "cap"),
    [
        (SLOW, 20, 12 * GWEI),
        (NORMAL, 50, 18 * GWEI),
        (FAST, 90, 26 * GWEI),
        ("slow", 20, 12 * GWEI),
        ("normal", 50, 18 * GWEI),
        ("fast", 90, 26 * GWEI),
    ],
)
async def test_a_strategy_says_which_tips_count_and_how_far_the_base_fee_may_rise(
    node: Any, rpc: Rpc, strategy: FeeStrategy | str, percentile: int, cap: int
) -> None:
    asked: list[Any] = []
    node.results["eth_feeHistory"] = lambda *params: asked.append(params) or HISTORY
    filled = await fees(strategy).fill(draft(), rpc)
    assert asked == [("0xa", "latest", [percentile])]
    assert filled.max_fee_per_gas == cap


async def test_empty_blocks_still_get_a_tip(node: Any, rpc: Rpc) -> None:
    node.results["eth_feeHistory"] = {**HISTORY, "reward": [["0x0"], ["0x0"]]}
    assert (await fees().fill(draft(), rpc)).max_priority_fee_per_gas == 1_000_000


async def test_a_history_without_rewards_gets_the_least_tip(node: Any, rpc: Rpc) -> None:
    node.results["eth_feeHistory"] = {**HISTORY, "reward": None}
    assert (await fees().fill(draft(), rpc)).max_priority_fee_per_gas == 1_000_000


async def test_a_base_fee_of_zero_is_one(node: Any, rpc: Rpc) -> None:
    node.results["eth_feeHistory"] = {**HISTORY, "baseFeePerGas": ["0x0", "0x0"]}
    node.results["eth_getBlockByNumber"] = {**OLD_BLOCK, "baseFeePerGas": "0x0"}
    filled = await fees().fill(draft(), rpc)
    assert (filled.type, filled.max_fee_per_gas) == (TxType.DYNAMIC_FEE, 2 * GWEI)


async def test_a_base_fee_above_the_cap_is_said_with_both_numbers(node: Any, rpc: Rpc) -> None:
    with pytest.raises(FeeTooLowError) as caught:
        await fees(capped(8 * GWEI - 1)).fill(draft(), rpc)
    assert "base fee is 8000000000 wei" in str(caught.value)
    assert "capped at 7999999999" in str(caught.value)


@pytest.mark.parametrize(
    ("cap", "max_fee", "tip"), [(8, 8, 2), (9, 9, 2), (17, 17, 2), (18, 18, 2), (99, 18, 2)]
)
async def test_a_cap_bounds_the_fee_and_every_re_pricing(
    node: Any, rpc: Rpc, cap: int, max_fee: int, tip: int
) -> None:
    prepared = (await fees(capped(cap * GWEI)).fill(draft(), rpc)).prepared(0)
    assert prepared.max_fee_per_gas == max_fee * GWEI
    assert prepared.max_priority_fee_per_gas == tip * GWEI
    assert prepared.fee_cap == cap * GWEI


async def test_a_callers_own_fee_is_not_bound_by_the_strategy(node: Any, rpc: Rpc) -> None:
    filled = await fees(capped(1)).fill(draft(max_fee_per_gas=30 * GWEI), rpc)
    assert filled.prepared(0).max_fee_per_gas == filled.prepared(0).fee_cap == 30 * GWEI


async def test_a_tip_above_the_strategys_cap_is_refused(node: Any, rpc: Rpc) -> None:
    asked = draft(max_priority_fee_per_gas=10 * GWEI)
    with pytest.raises(ConfigurationError, match="above the strategy's cap"):
        await fees(capped(9 * GWEI)).fill(asked, rpc)


async def test_a_chain_without_a_base_fee_gets_a_legacy_transaction(old: Any, rpc: Rpc) -> None:
    prepared = (await fees().fill(draft(), rpc)).prepared(0)
    assert prepared.type is TxType.LEGACY
    assert prepared.max_fee_per_gas == prepared.max_priority_fee_per_gas == 11 * GWEI


async def test_an_access_list_on_such_a_chain_is_of_eip_2930(old: Any, rpc: Rpc) -> None:
    prepared = (await fees("slow").fill(draft(access_list=KEYS), rpc)).prepared(0)
    assert prepared.type is TxType.ACCESS_LIST
    assert (prepared.max_fee_per_gas, prepared.access_list) == (10 * GWEI, KEYS)


@pytest.mark.parametrize(
    "asked",
    [
        {"max_fee_per_gas": GWEI},
        {"max_priority_fee_per_gas": GWEI},
        {"authorizations": (AUTHORIZATION,)},
    ],
)
async def test_what_such_a_chain_does_not_know_is_refused(
    old: Any, rpc: Rpc, asked: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="has no base fee"):
        await fees().fill(draft(**asked), rpc)


async def test_a_cap_holds_for_a_gas_price_too(old: Any, rpc: Rpc) -> None:
    prepared = (await fees(capped(10 * GWEI)).fill(draft(), rpc)).prepared(0)
    assert prepared.max_fee_per_gas == prepared.fee_cap == 10 * GWEI
    with pytest.raises(FeeTooLowError, match="gas price is 10000000000 wei"):
        await fees(capped(10 * GWEI - 1)).fill(draft(), rpc)


async def test_a_gas_price_makes_a_legacy_transaction_anywhere(node: Any, rpc: Rpc) -> None:
    prepared = (await fees().fill(draft(gas_price=5), rpc)).prepared(0)
    assert (prepared.type, prepared.max_fee_per_gas) == (TxType.LEGACY, 5)
    listed = (await fees().fill(draft(gas_price=5, access_list=KEYS), rpc)).prepared(0)
    assert (listed.type, listed.max_priority_fee_per_gas) == (TxType.ACCESS_LIST, 5)
    assert node.methods == []


async def test_a_quote_is_what_a_transaction_would_offer(node: Any, rpc: Rpc) -> None:
    assert await fees().quote(rpc) == FeeQuote(8 * GWEI, 18 * GWEI, 2 * GWEI)
    assert await fees(capped(9 * GWEI)).quote(rpc) == FeeQuote(8 * GWEI, 9 * GWEI, 2 * GWEI)
    assert await fees(capped(GWEI)).quote(rpc) == FeeQuote(8 * GWEI, GWEI, GWEI)


async def test_a_quote_without_a_base_fee_is_the_gas_price(old: Any, rpc: Rpc) -> None:
    assert await fees("fast").quote(rpc) == FeeQuote(None, 125 * GWEI // 10, 125 * GWEI // 10)
    assert await fees(capped(GWEI)).quote(rpc) == FeeQuote(None, GWEI, GWEI)


async def test_a_reading_is_kept_for_a_block_time(node: Any, rpc: Rpc) -> None:
    clock = ShiftedClock()
    kept = Fees(clock, block_time=1000.0)
    await kept.fill(draft(), rpc)
    await kept.fill(draft(), rpc)
    await kept.quote(rpc)
    assert node.methods.count("eth_feeHistory") == 1
    clock.advance(1001)
    await kept.fill(draft(), rpc)
    assert node.methods.count("eth_feeHistory") == 2


async def test_those_who_ask_at_once_share_a_reading(node: Any, rpc: Rpc) -> None:
    shared = fees()
    filled = await asyncio.gather(*(shared.fill(draft(), rpc) for _ in range(20)))
    assert set(filled) == {filled[0]}
    assert node.methods.count("eth_feeHistory") == 1


async def test_those_who_ask_at_once_share_a_failure(node: Any, rpc: Rpc, fails: Any) -> None:
    node.results["eth_feeHistory"] = fails(-32000, "this node is tired")
    shared = fees()
    outcomes = await asyncio.gather(
        *(shared.fill(draft(), rpc) for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(outcome, RpcError) for outcome in outcomes)
    assert node.methods.count("eth_feeHistory") == 1
    node.results["eth_feeHistory"] = HISTORY
    assert (await shared.fill(draft(), rpc)).max_fee_per_gas == 18 * GWEI


async def test_a_reader_that_is_cancelled_takes_nobody_with_it(
    node: Any, rpc: Rpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    answer = rpc.outcome

    async def answer_late(method: str, params: Any) -> Any:
        asked.set()
        await go_on.wait()
        return await answer(method, params)

    monkeypatch.setattr(rpc, "outcome", answer_late)
    shared = fees()
    first = asyncio.create_task(shared.fill(draft(), rpc))
    await asked.wait()
    second = asyncio.create_task(shared.fill(draft(), rpc))
    await asyncio.sleep(0)  # it waits for the first one now
    first.cancel()
    go_on.set()
    assert (await second).max_fee_per_gas == 18 * GWEI
    assert first.cancelled()


@pytest.mark.parametrize("nonsense", [None, [], {"baseFeePerGas": 7}, {**HISTORY, "reward": 3}])
async def test_a_nonsensical_history_is_the_nodes_error(
    node: Any, rpc: Rpc, nonsense: object
) -> None:
    node.results["eth_feeHistory"] = nonsense
    with pytest.raises(RpcError, match="something that is not"):
        await fees().fill(draft(), rpc)


def test_a_cap_changes_nothing_else_of_a_strategy() -> None:
    strategy = capped(5, "slow")
    assert (strategy.cap, strategy.percentile) == (5, SLOW.percentile)
    assert strategy.base_percent == SLOW.base_percent


@pytest.mark.parametrize("cap", [0, -1, 1.5, True, "1 gwei"])
def test_a_cap_is_a_positive_whole_number(cap: Any) -> None:
    with pytest.raises(ConfigurationError, match="fee cap"):
        capped(cap)


def test_a_strategy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no fee strategy 'quick'"):
        Fees(ShiftedClock(), block_time=1.0, strategy="quick")


@pytest.mark.parametrize("figures", [(-1, 200, 100), (101, 200, 100), (50, 99, 100), (50, 200, 0)])
def test_a_strategy_that_is_never_mined_is_refused(figures: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigurationError, match="would not be mined"):
        FeeStrategy("mine", *figures)


@given(
    base=st.integers(0, 10**15),
    usual=st.integers(0, 10**15),
    cap=st.integers(1, 10**15),
    tip=st.none() | st.integers(0, 10**15),
)
def test_no_market_makes_a_fee_that_breaks_its_own_rules(
    base: int, usual: int, cap: int, tip: int | None
) -> None:
    priced = fees(capped(cap))._with_cap_and_tip
    try:
        filled = priced(draft(max_priority_fee_per_gas=tip), base, usual)
    except FeeTooLowError:
        assert base > cap
    except ConfigurationError:
        assert tip is not None
        assert tip > cap
    else:
        assert filled.max_fee_per_gas is not None
        assert filled.max_priority_fee_per_gas is not None
        assert base <= filled.max_fee_per_gas <= cap
        assert 0 <= filled.max_priority_fee_per_gas <= filled.max_fee_per_gas
