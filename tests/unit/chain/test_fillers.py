"""Fillers: what the caller set wins, and nothing is signed that cannot be paid."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.chain import (
    ChainId,
    Draft,
    Funds,
    Gas,
    L1Fee,
    Rpc,
    error_table,
    recommended_fillers,
)
from opengradient_sdk.chain.fillers import Balance, Filler, Together
from opengradient_sdk.errors import (
    ConfigurationError,
    InsufficientFundsError,
    RevertedError,
    RpcError,
    TransactionError,
    WrongChainError,
)
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.signers.envelope import unsigned_bytes
from opengradient_sdk.types import (
    Address,
    Bytes32,
    CodeAuthorization,
    PreparedTx,
    TxRequest,
    TxType,
    keccak256,
)

ALICE = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
GWEI = 10**9
PROFILE = ChainProfile("test", 31337, (), block_time=2.0)
KEY = Bytes32(b"\7" * 32)
AUTHORIZATION = CodeAuthorization(31337, BOB, 3, 1, 0xAB, 0xCD)
BLOCK = {
    "number": "0x7",
    "hash": "0x" + "07" * 32,
    "parentHash": "0x" + "06" * 32,
    "timestamp": "0x1",
    "baseFeePerGas": hex(GWEI),
    "gasLimit": hex(30_000_000),
}
HISTORY = {"baseFeePerGas": [hex(GWEI)] * 2, "reward": [[hex(GWEI)]]}


def draft(**fields: Any) -> Draft:
    return Draft(TxRequest(**{"to": BOB, **fields}), ALICE)


def complete(**fields: Any) -> Draft:
    filled = {"chain_id": 31337, "gas": 21_000, "max_fee_per_gas": 2, "max_priority_fee_per_gas": 1}
    return draft(**{**filled, **fields})


async def fill_all(fillers: tuple[Filler, ...], request: TxRequest, rpc: Rpc) -> PreparedTx:
    filled = Draft(request, ALICE)
    for filler in fillers:
        filled = await filler.fill(filled, rpc)
    return filled.prepared(0)


@pytest.fixture
def node(node: Any) -> Any:
    node.results["eth_getBlockByNumber"] = BLOCK
    return node


async def test_the_chain_id_is_the_chains(rpc: Rpc) -> None:
    assert (await ChainId().fill(draft(), rpc)).chain_id == 31337
    with pytest.raises(WrongChainError, match="for chain 1, but it is built on chain 31337"):
        await ChainId().fill(draft(chain_id=1), rpc)


async def test_gas_is_what_the_simulation_used_and_a_fifth(node: Any, rpc: Rpc) -> None:
    node.results["eth_estimateGas"] = hex(50_000)
    filled = await Gas().fill(draft(data=b"\x01", value=7), rpc)
    assert filled.gas == 60_000
    assert simulated(node) == {"data": "0x01", "to": BOB, "from": ALICE, "value": "0x7"}


async def test_a_bare_transfer_needs_no_spare_gas(node: Any, rpc: Rpc) -> None:
    node.results["eth_estimateGas"] = hex(21_000)
    assert (await Gas().fill(draft(), rpc)).gas == 21_000


async def test_gas_that_the_caller_set_is_not_simulated(node: Any, rpc: Rpc) -> None:
    assert (await Gas().fill(draft(gas=5), rpc)).gas == 5
    assert "eth_estimateGas" not in node.methods


async def test_a_revert_is_decoded_before_anything_is_signed(
    node: Any, rpc: Rpc, fails: Any
) -> None:
    node.results["eth_estimateGas"] = fails(3, "execution reverted", "0x756688fe")
    with pytest.raises(RevertedError) as caught:
        await Gas().fill(draft(), rpc)
    assert caught.value.reason == "InvalidNonce()"


async def test_a_callers_own_errors_are_decoded_too(node: Any, http: Any, fails: Any) -> None:
    selector = keccak256(b"TooLate(uint256)")[:4]
    data = "0x" + (selector + (9).to_bytes(32, "big")).hex()
    node.results["eth_estimateGas"] = fails(3, "execution reverted", data)
    rpc = Rpc([node.url], http, errors=error_table(["TooLate(uint256)"]))
    with pytest.raises(RevertedError, match=r"TooLate\(9\)"):
        await Gas().fill(draft(), rpc)


async def test_lists_are_simulated_too(node: Any, rpc: Rpc) -> None:
    node.results["eth_estimateGas"] = hex(30_000)
    asked = draft(access_list=((BOB, (KEY,)),), authorizations=(AUTHORIZATION,))
    await Gas().fill(asked, rpc)
    message = simulated(node)
    assert message["accessList"] == [{"address": BOB, "storageKeys": [str(KEY)]}]
    assert message["authorizationList"] == [
        {
            "chainId": "0x7a69",
            "address": BOB,
            "nonce": "0x3",
            "yParity": "0x1",
            "r": "0xab",
            "s": "0xcd",
        }
    ]


async def test_gas_over_the_block_limit_is_said_with_both_numbers(node: Any, rpc: Rpc) -> None:
    gas = Gas()
    with pytest.raises(TransactionError, match=r"has 30000001, and a block .* holds 30000000"):
        await gas.fill(draft(gas=30_000_001), rpc)
    node.results["eth_estimateGas"] = hex(30_000_001)
    with pytest.raises(TransactionError, match="over the block gas limit"):
        await gas.fill(draft(), rpc)


async def test_what_nearly_fills_a_block_gets_what_the_block_holds(node: Any, rpc: Rpc) -> None:
    node.results["eth_estimateGas"] = hex(29_000_000)
    assert (await Gas().fill(draft(), rpc)).gas == 30_000_000


async def test_the_block_limit_is_read_again_only_when_it_is_in_the_way(
    node: Any, rpc: Rpc
) -> None:
    gas = Gas()
    for _ in range(3):
        await gas.fill(draft(gas=30_000_000), rpc)
    assert node.methods.count("eth_getBlockByNumber") == 1
    node.results["eth_getBlockByNumber"] = {**BLOCK, "gasLimit": hex(60_000_000)}
    assert (await gas.fill(draft(gas=40_000_000), rpc)).gas == 40_000_000
    assert node.methods.count("eth_getBlockByNumber") == 2


async def test_a_chain_that_states_no_limit_has_none(node: Any, rpc: Rpc) -> None:
    node.results["eth_getBlockByNumber"] = {**BLOCK, "gasLimit": "0x0"}
    node.results["eth_estimateGas"] = hex(10**9)
    assert (await Gas().fill(draft(), rpc)).gas == 12 * 10**8
    assert (await Gas().fill(draft(gas=10**12), rpc)).gas == 10**12


async def test_the_l1_fee_is_asked_of_the_oracle_and_estimated(node: Any, rpc: Rpc) -> None:
    node.results["eth_call"] = lambda *_: "0x" + (12_345).to_bytes(32, "big").hex()
    asked = complete(value=5)
    prepared = (await L1Fee().fill(asked, rpc)).prepared(0)
    assert prepared.l1_fee == 12_345
    assert prepared.estimate().atoms == 5 + 21_000 * 2 + 12_345
    message = node.bodies[0][1]["params"][0]
    assert message["to"] == "0x420000000000000000000000000000000000000F"
    assert message["data"].startswith("0x49948e0e")
    # the whole unsigned transaction, with a nonce as long as nonces get
    assert unsigned_bytes(asked.prepared(2**32 - 1)).hex() in message["data"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, TxType.DYNAMIC_FEE),
        ({"authorizations": (AUTHORIZATION,)}, TxType.SET_CODE),
        ({"gas_price": 3}, TxType.LEGACY),
        ({"gas_price": 3, "access_list": ((BOB, (KEY,)),)}, TxType.ACCESS_LIST),
    ],
)
async def test_every_type_has_an_l1_fee(
    node: Any, rpc: Rpc, fields: dict[str, Any], kind: TxType
) -> None:
    node.results["eth_call"] = lambda *_: "0x" + (77).to_bytes(32, "big").hex()
    fees = {} if "gas_price" in fields else {"max_fee_per_gas": 3, "max_priority_fee_per_gas": 1}
    asked = draft(chain_id=31337, gas=21_000, **fees, **fields)
    prepared = (await L1Fee().fill(asked, rpc)).prepared(0)
    assert prepared.type is kind
    assert prepared.estimate().atoms == 21_000 * 3 + 77


async def test_too_little_money_is_said_with_both_numbers(node: Any, rpc: Rpc) -> None:
    node.results["eth_getBalance"] = hex(10**18)
    with pytest.raises(InsufficientFundsError) as caught:
        await Funds().fill(complete(value=2 * 10**18), rpc)
    assert "has 1 ETH" in str(caught.value)
    assert "may cost 2.000000000000042 ETH" in str(caught.value)
    assert await Funds().fill(complete(value=1), rpc) == complete(value=1)


async def test_a_value_over_the_balance_is_said_so_also_by_a_simulation_that_fails(
    node: Any, rpc: Rpc, fails: Any
) -> None:
    node.results["eth_estimateGas"] = fails(-32000, "insufficient funds for transfer")
    node.results["eth_getBalance"] = hex(10**18)
    with pytest.raises(InsufficientFundsError, match="has 1 ETH, but the transaction sends 2 ETH"):
        await Gas().fill(draft(value=2 * 10**18), rpc)


async def test_a_balance_that_was_read_is_not_read_again(node: Any, rpc: Rpc) -> None:
    node.results["eth_getBalance"] = hex(42_006)
    known = await Balance().fill(complete(), rpc)
    await Funds().fill(known, rpc)
    assert node.methods.count("eth_getBalance") == 1
    with pytest.raises(InsufficientFundsError):
        await Funds().fill(complete(value=42_006).having(balance=known.balance), rpc)
    assert node.methods.count("eth_getBalance") == 1


def test_a_field_that_nobody_filled_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no max_fee_per_gas"):
        complete(max_fee_per_gas=None).prepared(0)
    with pytest.raises(ConfigurationError, match="no gas,"):
        complete(gas=None).prepared(0)


def test_what_the_caller_set_wins_over_every_filler() -> None:
    offered = {"chain_id": 1, "gas": 1, "max_fee_per_gas": 9, "max_priority_fee_per_gas": 9}
    assert complete().having(**offered) == complete()
    assert complete(nonce=4).prepared(7).nonce == 4
    assert complete().prepared(7).nonce == 7


def test_the_callers_own_fee_is_the_cap_of_every_re_pricing() -> None:
    assert complete().having(fee_cap=99).prepared(0).fee_cap == 2
    priced = draft(chain_id=1, gas=1, gas_price=8)
    assert priced.having(fee_cap=99).prepared(0).fee_cap == 8
    filled = draft(chain_id=1, gas=1).having(max_fee_per_gas=5, max_priority_fee_per_gas=1)
    assert filled.prepared(0).fee_cap is None
    assert filled.having(fee_cap=99).prepared(0).fee_cap == 99


@pytest.mark.parametrize("op_stack", [False, True])
def test_the_l1_fee_is_a_matter_of_op_stack_chains(op_stack: bool) -> None:
    profile = ChainProfile("test", 1, (), 2.0, op_stack)
    kinds = {type(filler) for filler in recommended_fillers(profile, ShiftedClock())}
    assert (L1Fee in kinds) is op_stack
    assert Funds in kinds


async def test_the_recommended_fillers_complete_a_transaction(node: Any, rpc: Rpc) -> None:
    node.results |= {
        "eth_estimateGas": hex(50_000),
        "eth_getBalance": hex(10**18),
        "eth_feeHistory": HISTORY,
    }
    fillers = recommended_fillers(PROFILE, ShiftedClock())
    prepared = await fill_all(fillers, TxRequest(to=BOB, data=b"\1", value=3), rpc)
    assert prepared == PreparedTx(31337, ALICE, 0, BOB, b"\1", 3, 60_000, 3 * GWEI, GWEI)


async def test_a_build_is_one_round_trip(node: Any, rpc: Rpc) -> None:
    node.results |= {
        "eth_estimateGas": hex(50_000),
        "eth_getBalance": hex(10**18),
        "eth_feeHistory": HISTORY,
    }
    await fill_all(recommended_fillers(PROFILE, ShiftedClock()), TxRequest(to=BOB), rpc)
    (methods,) = node.requests
    assert set(methods) == {
        "eth_chainId",
        "eth_estimateGas",
        "eth_getBlockByNumber",
        "eth_feeHistory",
        "eth_getBalance",
    }


async def test_what_is_known_is_not_read_again(node: Any, rpc: Rpc) -> None:
    node.results |= {"eth_getBalance": hex(10**18), "eth_feeHistory": HISTORY}
    fillers = recommended_fillers(PROFILE, ShiftedClock())
    await fill_all(fillers, TxRequest(to=BOB, gas=21_000), rpc)
    node.requests.clear()
    await fill_all(fillers, TxRequest(to=BOB, gas=21_000), rpc)
    assert node.methods == ["eth_getBalance"]


class Meeting:
    """A reader that returns only once all its companions are reading too."""

    def __init__(self, barrier: asyncio.Barrier, fields: dict[str, int]) -> None:
        self.barrier = barrier
        self.fields = fields

    def at_once(self, _draft: Draft) -> None:
        return None

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        await self.barrier.wait()
        return draft.having(**self.fields)


async def test_readers_read_at_the_same_time_and_their_fields_are_joined(rpc: Rpc) -> None:
    barrier = asyncio.Barrier(3)
    filled = [{"gas": 5}, {"max_fee_per_gas": 6, "gas": 9}, {"balance": 7, "l1_fee": 8}]
    both = await Together(*(Meeting(barrier, fields) for fields in filled)).fill(draft(), rpc)
    assert both == draft().having(gas=5, max_fee_per_gas=6, balance=7, l1_fee=8)


async def test_the_first_reader_that_fails_ends_the_others(node: Any, rpc: Rpc, fails: Any) -> None:
    node.results["eth_estimateGas"] = fails(3, "execution reverted", "0x756688fe")
    alone = Meeting(asyncio.Barrier(2), {})  # nobody will meet it
    with pytest.raises(RevertedError):
        await Together(Gas(), alone).fill(draft(), rpc)


async def test_an_l1_fee_that_is_none_is_the_nodes_error(node: Any, rpc: Rpc) -> None:
    node.results["eth_call"] = "0x"
    with pytest.raises(RpcError, match="not an L1 fee"):
        await L1Fee().fill(complete(), rpc)


def simulated(node: Any) -> dict[str, Any]:
    calls = [call for body in node.bodies for call in (body if isinstance(body, list) else [body])]
    (message,) = [call["params"][0] for call in calls if call["method"] == "eth_estimateGas"]
    return message
