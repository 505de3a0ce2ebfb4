"""Fillers: what the caller set wins, and nothing is signed that cannot be paid."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.chain import (
    ChainId,
    Draft,
    Fees,
    Funds,
    Gas,
    L1Fee,
    Rpc,
    recommended_fillers,
)
from opengradient_sdk.errors import (
    ConfigurationError,
    InsufficientFundsError,
    RevertedError,
    RpcError,
    WrongChainError,
)
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.types import Address, TxRequest

ALICE = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
GWEI = 10**9
PROFILE = ChainProfile("test", 31337, (), block_time=2.0)

HISTORY = {
    "oldestBlock": "0x1",
    "baseFeePerGas": [hex(5 * GWEI), hex(6 * GWEI), hex(7 * GWEI), hex(8 * GWEI)],
    "gasUsedRatio": [0.1, 0.2, 0.3],
    "reward": [[hex(3 * GWEI)], [hex(GWEI)], [hex(2 * GWEI)]],
}


def draft(**fields: Any) -> Draft:
    return Draft(TxRequest(**{"to": BOB, **fields}), ALICE)


def complete(**fields: Any) -> Draft:
    filled = {"chain_id": 31337, "gas": 21_000, "max_fee_per_gas": 2, "max_priority_fee_per_gas": 1}
    return draft(**{**filled, **fields})


@pytest.fixture
def fees() -> Fees:
    return Fees(ShiftedClock(), block_time=2.0)


async def test_the_chain_id_is_the_chains(rpc: Rpc) -> None:
    assert (await ChainId().fill(draft(), rpc)).request.chain_id == 31337
    with pytest.raises(WrongChainError, match="for chain 1, but it is built on chain 31337"):
        await ChainId().fill(draft(chain_id=1), rpc)


async def test_gas_is_what_the_simulation_used_and_a_fifth(node: Any, rpc: Rpc) -> None:
    node.results["eth_estimateGas"] = hex(50_000)
    filled = await Gas().fill(draft(data=b"\x01", value=7), rpc)
    assert filled.request.gas == 60_000
    message = node.bodies[0][1]["params"][0]
    assert message == {"data": "0x01", "to": BOB, "from": ALICE, "value": "0x7"}


async def test_a_bare_transfer_needs_no_spare_gas(node: Any, rpc: Rpc) -> None:
    node.results["eth_estimateGas"] = hex(21_000)
    assert (await Gas().fill(draft(), rpc)).request.gas == 21_000


async def test_gas_that_the_caller_set_is_not_simulated(node: Any, rpc: Rpc) -> None:
    assert (await Gas().fill(draft(gas=5), rpc)).request.gas == 5
    assert node.requests == []


async def test_a_revert_is_decoded_before_anything_is_signed(
    node: Any, rpc: Rpc, fails: Any
) -> None:
    node.results["eth_estimateGas"] = fails(3, "execution reverted", "0x756688fe")
    with pytest.raises(RevertedError) as caught:
        await Gas().fill(draft(), rpc)
    assert caught.value.reason == "InvalidNonce()"


async def test_an_access_list_is_simulated_too(node: Any, rpc: Rpc) -> None:
    node.results["eth_estimateGas"] = hex(30_000)
    await Gas().fill(draft(access_list=((BOB, ()),)), rpc)
    message = node.bodies[0][1]["params"][0]
    assert message["accessList"] == [{"address": BOB, "storageKeys": []}]


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
    node: Any, rpc: Rpc, fees: Fees, asked: dict[str, int], cap: int, tip: int
) -> None:
    node.results["eth_feeHistory"] = HISTORY
    filled = (await fees.fill(draft(**asked), rpc)).request
    assert (filled.max_fee_per_gas, filled.max_priority_fee_per_gas) == (cap, tip)


async def test_empty_blocks_still_get_a_tip(node: Any, rpc: Rpc, fees: Fees) -> None:
    node.results["eth_feeHistory"] = {**HISTORY, "reward": [["0x0"], ["0x0"]]}
    assert (await fees.fill(draft(), rpc)).request.max_priority_fee_per_gas == 1_000_000


async def test_a_tip_above_the_cap_is_refused(rpc: Rpc, fees: Fees) -> None:
    with pytest.raises(ConfigurationError, match="is above max_fee_per_gas"):
        await fees.fill(draft(max_fee_per_gas=1, max_priority_fee_per_gas=2), rpc)


async def test_a_suggestion_is_kept_for_a_block_time(node: Any, rpc: Rpc) -> None:
    clock = ShiftedClock()
    fees = Fees(clock, block_time=1000.0)
    node.results["eth_feeHistory"] = HISTORY
    await fees.fill(draft(), rpc)
    await fees.fill(draft(), rpc)
    assert node.methods.count("eth_feeHistory") == 1
    clock.advance(1001)
    await fees.fill(draft(), rpc)
    assert node.methods.count("eth_feeHistory") == 2


async def test_a_chain_without_a_base_fee_says_so(node: Any, rpc: Rpc, fees: Fees) -> None:
    node.results["eth_feeHistory"] = {**HISTORY, "baseFeePerGas": []}
    with pytest.raises(ConfigurationError, match="no base fee"):
        await fees.fill(draft(), rpc)


@pytest.mark.parametrize("nonsense", [None, [], {"baseFeePerGas": 7}, {**HISTORY, "reward": 3}])
async def test_a_nonsensical_history_is_the_nodes_error(
    node: Any, rpc: Rpc, fees: Fees, nonsense: object
) -> None:
    node.results["eth_feeHistory"] = nonsense
    with pytest.raises(RpcError, match="something that is not"):
        await fees.fill(draft(), rpc)


async def test_the_l1_fee_is_asked_of_the_oracle_and_estimated(node: Any, rpc: Rpc) -> None:
    node.results["eth_call"] = lambda *_: "0x" + (12_345).to_bytes(32, "big").hex()
    prepared = (await L1Fee().fill(complete(value=5), rpc)).prepared(0)
    assert prepared.l1_fee == 12_345
    assert prepared.estimate().atoms == 5 + 21_000 * 2 + 12_345
    message = node.bodies[0][1]["params"][0]
    assert message["to"] == "0x420000000000000000000000000000000000000F"
    assert message["data"].startswith("0x49948e0e")


async def test_too_little_money_is_said_with_both_numbers(node: Any, rpc: Rpc) -> None:
    node.results["eth_getBalance"] = hex(10**18)
    with pytest.raises(InsufficientFundsError) as caught:
        await Funds().fill(complete(value=2 * 10**18), rpc)
    assert "has 1 ETH" in str(caught.value)
    assert "may cost 2.000000000000042 ETH" in str(caught.value)
    assert await Funds().fill(complete(value=1), rpc) == complete(value=1)


def test_a_field_that_nobody_filled_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no max_fee_per_gas"):
        complete(max_fee_per_gas=None).prepared(0)


@pytest.mark.parametrize("op_stack", [False, True])
def test_the_l1_fee_is_a_matter_of_op_stack_chains(op_stack: bool) -> None:
    profile = ChainProfile("test", 1, (), 2.0, op_stack)
    kinds = {type(filler) for filler in recommended_fillers(profile, ShiftedClock())}
    assert (L1Fee in kinds) is op_stack
