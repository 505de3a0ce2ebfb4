"""Many reads of a real chain: one request, decoded, and the same where there is no Multicall3."""

from __future__ import annotations

from typing import Any

import pytest
from support.faulty_rpc import FaultyRpc

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.chain.contracts import (
    MULTICALL3,
    Erc20,
    Multicall3,
    Permit2,
    TeeRegistry,
)
from opengradient_sdk.chain.reads import read_many
from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.errors import ChainError, RevertedError
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, Bytes32

from .conftest import CHAIN_ID, ETHER

NOWHERE = Address("0x" + "cc" * 20)


async def test_a_hundred_balances_and_allowances_are_one_call(
    chain_url: str, http: HttpClient, accounts: list[LocalSigner]
) -> None:
    async with FaultyRpc(chain_url) as counting:
        rpc = Rpc([counting.url], http, chain_id=CHAIN_ID)
        opg = Erc20(rpc, addresses.OPG)
        owners = [accounts[0].address, *(Address(f"0x{n:040x}") for n in range(1, 100))]
        reads = [opg.balance_of(owner) for owner in owners]
        reads += [opg.allowance(owner, addresses.PERMIT2) for owner in owners]
        assert await read_many(rpc, reads) == [10 * ETHER, *[0] * 199]
        assert counting.exchanges == 1


@pytest.mark.parametrize("with_multicall", [True, False])
async def test_results_and_errors_are_the_same_either_way(
    chain: Chain, accounts: list[LocalSigner], with_multicall: bool
) -> None:
    rpc = chain.rpc
    there = MULTICALL3 if with_multicall else NOWHERE
    opg, registry = Erc20(rpc, addresses.OPG), TeeRegistry(rpc, addresses.TEE_REGISTRY)
    unknown = Bytes32(b"\x09" * 32)
    reads: list[Any] = [
        opg.symbol(),
        opg.decimals(),
        Multicall3(rpc, there).eth_balance(accounts[1].address),
        Permit2(rpc, addresses.PERMIT2).is_nonce_used(accounts[0].address, 7),
        registry.heartbeat_max_age(),
        registry.active_tees(),
        registry.find_tee(unknown),
        registry.tee(unknown),
        Erc20(rpc, NOWHERE).decimals(),
    ]
    found = await read_many(rpc, reads, allow_failure=True, multicall=there)
    assert found[:7] == ["OPG", 18, 100 * ETHER, False, 1800, ("july", ()), None]
    assert isinstance(found[7], RevertedError)
    assert found[7].reason == "TEENotFound()"
    assert isinstance(found[8], ChainError)
    with pytest.raises(RevertedError, match="TEENotFound"):
        await read_many(rpc, reads, multicall=there)


async def test_a_thousand_reads_agree_on_one_block(chain: Chain) -> None:
    multicall = Multicall3(chain.rpc)
    numbers = await read_many(chain.rpc, [multicall.block_number() for _ in range(1100)])
    assert len(set(numbers)) == 1
