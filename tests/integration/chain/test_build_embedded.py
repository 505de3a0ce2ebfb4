"""What is built on the embedded EVM: the same fields as anywhere, mined at once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Draft, Rpc
from opengradient_sdk.chain.contracts import Erc20
from opengradient_sdk.chain.fillers import recommended_fillers
from opengradient_sdk.devnet.contracts import genesis_alloc
from opengradient_sdk.devnet.contracts.addresses import OPG
from opengradient_sdk.devnet.evm import PyEvm
from opengradient_sdk.errors import InsufficientFundsError, RevertedError, TransactionError
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, Bytes32, PreparedTx, TxRequest, TxType

CHAIN_ID = 31337
ETHER = 10**18
ALICE = LocalSigner.from_key(f"0x{1001:064x}")
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")


@pytest.fixture
async def rpc(http: HttpClient) -> AsyncIterator[Rpc]:
    alloc = genesis_alloc(
        admin=ALICE.address,
        opg_balances={ALICE.address: 10 * ETHER},
        eth_balances={ALICE.address: 100 * ETHER},
        timestamp=int(time.time()),
    )
    evm = PyEvm(chain_id=CHAIN_ID, alloc=alloc, clock=SystemClock())
    await evm.start()
    try:
        yield Rpc([evm.rpc_url], http, chain_id=CHAIN_ID)
    finally:
        await evm.stop()


async def build(rpc: Rpc, request: TxRequest) -> PreparedTx:
    draft = Draft(request, ALICE.address)
    profile = ChainProfile("embedded", CHAIN_ID, (), 1.0)
    for filler in recommended_fillers(profile, SystemClock()):
        draft = await filler.fill(draft, rpc)
    return draft.prepared(await rpc.transaction_count(ALICE.address))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, TxType.DYNAMIC_FEE),
        ({"gas_price": 10**9}, TxType.LEGACY),
        ({"gas_price": 10**9, "access_list": ((OPG, (Bytes32(b"\0" * 32),)),)}, TxType.ACCESS_LIST),
        ({"access_list": ((OPG, (Bytes32(b"\0" * 32),)),)}, TxType.DYNAMIC_FEE),
    ],
)
async def test_every_type_it_knows_is_mined(rpc: Rpc, fields: dict[str, Any], kind: TxType) -> None:
    transfer = Erc20(rpc, OPG).transfer(BOB, 5)
    request = TxRequest(to=transfer.to, data=transfer.data, **fields)
    prepared = await build(rpc, request)
    assert prepared.type is kind
    signed = await ALICE.sign_transaction(prepared)
    await rpc.send_raw_transaction(signed.raw)
    receipt = await rpc.get_receipt(signed.hash)
    assert receipt is not None
    assert receipt.succeeded
    assert receipt.gas_used <= prepared.gas
    assert await Erc20(rpc, OPG).balance_of(BOB) == 5


async def test_a_custom_error_of_opg_is_decoded_before_the_signature(rpc: Rpc) -> None:
    with pytest.raises(RevertedError) as caught:
        await build(rpc, Erc20(rpc, OPG).transfer(BOB, 11 * ETHER))
    assert caught.value.reason == (
        f"ERC20InsufficientBalance({ALICE.address}, {10 * ETHER}, {11 * ETHER})"
    )


async def test_gas_over_the_block_limit_is_refused_with_both_numbers(rpc: Rpc) -> None:
    limit = (await rpc.get_block()).gas_limit
    with pytest.raises(TransactionError, match=f"has {limit + 1}, .* holds {limit}"):
        await build(rpc, TxRequest(to=BOB, gas=limit + 1))


async def test_more_value_than_the_balance_is_refused_with_both_numbers(rpc: Rpc) -> None:
    with pytest.raises(InsufficientFundsError, match=r"has 100 ETH, .* sends 101 ETH"):
        await build(rpc, TxRequest(to=BOB, value=101 * ETHER))
    with pytest.raises(InsufficientFundsError, match=r"has 100 ETH, .* may cost 101\.\d+ ETH"):
        await build(rpc, TxRequest(to=BOB, value=101 * ETHER, gas=21_000))
