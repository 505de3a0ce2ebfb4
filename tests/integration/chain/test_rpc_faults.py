"""Reads and broadcasts through a network that does everything a network can do."""

from __future__ import annotations

import asyncio

import pytest
from support.faulty_rpc import FaultyRpc, Trouble

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.errors import RpcError
from opengradient_sdk.types import Address, TxRequest

CHAIN_ID = 31337
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
READABLE = [trouble for trouble in Trouble if trouble is not Trouble.NONCE_LIE]


@pytest.mark.parametrize("trouble", READABLE)
async def test_a_read_survives_every_trouble(
    trouble: Trouble, chain_url: str, http: HttpClient
) -> None:
    async with FaultyRpc(chain_url, delay=0.01, retry_after="0", patience=0.1) as proxy:
        rpc = Rpc([proxy.url], http, chain_id=CHAIN_ID)
        proxy.inject(trouble)
        assert await asyncio.gather(rpc.block_number(), rpc.call("eth_chainId")) == [0, "0x7a69"]
        assert proxy.counts[trouble]


async def test_an_endpoint_that_answers_too_late_is_passed_over(
    chain_url: str, http: HttpClient
) -> None:
    async with FaultyRpc(chain_url, patience=60.0) as proxy:
        rpc = Rpc([proxy.url, chain_url], http, chain_id=CHAIN_ID, timeout=1.5)
        proxy.inject(Trouble.LATE)
        assert await rpc.block_number() == 0
        assert [one.healthy for one in rpc.health()] == [False, True]


@pytest.mark.anvil
async def test_sending_twice_is_content_with_already_known(anvil: Chain, http: HttpClient) -> None:
    (node_url,) = anvil.rpc.names  # of a node on this machine, nothing is masked
    await anvil.rpc.call("evm_setAutomine", [False])
    signed = await anvil.sign(await anvil.build(TxRequest(to=BOB, value=1)))
    async with FaultyRpc(node_url) as proxy:
        rpc = Rpc([proxy.url], http, chain_id=CHAIN_ID)
        proxy.inject(Trouble.TWICE, Trouble.CUT_AFTER, method="eth_sendRawTransaction")
        await rpc.send_raw_transaction(signed.raw)
        await rpc.send_raw_transaction(signed.raw)
        assert proxy.counts[Trouble.CUT_AFTER] == 1


async def test_half_of_everything_failing_loses_no_read(chain_url: str, http: HttpClient) -> None:
    async with FaultyRpc(
        chain_url, 0.5, 3, READABLE, delay=0.01, retry_after="0", patience=0.05
    ) as proxy:
        rpc = Rpc([proxy.url], http, chain_id=CHAIN_ID, timeout=5.0)

        async def read() -> int:
            while True:
                try:
                    return await rpc.block_number()
                except RpcError:  # three failed rounds in a row: said so, never a wrong answer
                    continue

        for _ in range(60):
            assert await read() == 0
        assert proxy.counts.total() > 20
