"""Payments on one chain, registry and relay on another, as in production."""

import base64
import json

import aiohttp

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.devnet.contracts.addresses import SETTLEMENT_RELAY, TEE_REGISTRY
from opengradient_sdk.devnet.contracts.genesis import genesis_alloc
from opengradient_sdk.devnet.evm import PyEvm
from opengradient_sdk.devnet.facilitator import Facilitator
from opengradient_sdk.signers import LocalSigner

KEY = bytes([0xFA]) * 32


async def test_serves_both_networks_and_settles_hashes_on_the_second():
    """Both networks are listed, and a batch goes to the registry's chain alone."""
    clock, address = ShiftedClock(), LocalSigner.from_key(KEY).address
    alloc = genesis_alloc(admin=address, eth_balances={address: 10**18})
    payments = PyEvm(chain_id=8453, alloc=alloc, clock=clock)
    registry = PyEvm(chain_id=10740, alloc=alloc, clock=clock)
    await payments.start()
    await registry.start()
    facilitator = Facilitator(
        payments=payments,
        registry=registry,
        key=KEY,
        heartbeat_contract=TEE_REGISTRY,
        relay=SETTLEMENT_RELAY,
        clock=clock,
    )
    try:
        await facilitator.start()
        async with (
            aiohttp.ClientSession() as http,
            http.get(facilitator.url + "/supported") as response,
        ):
            kinds = [(k["scheme"], k["network"]) for k in (await response.json())["kinds"]]
            assert kinds == [
                ("exact", "eip155:10740"),
                ("upto", "eip155:10740"),
                ("exact", "eip155:8453"),
                ("upto", "eip155:8453"),
            ]
            await settle_one(http, facilitator)
        counts = [
            await chain.request("eth_getTransactionCount", [address, "latest"])
            for chain in (payments, registry)
        ]
        assert counts == ["0x0", "0x1"]
    finally:
        await facilitator.stop()
        await registry.stop()
        await payments.stop()


async def settle_one(http: aiohttp.ClientSession, facilitator: Facilitator) -> None:
    """Hand in one statement and wait until it is on chain."""
    statement = {
        "tee_id": "0x" + "11" * 32,
        "input_hash": "22" * 32,
        "output_hash": "33" * 32,
        "tee_signature": "AAAA",
        "tee_timestamp": 1784200001,
    }
    data = base64.b64encode(json.dumps(statement).encode()).decode()
    headers = {"x-settlement-type": "batch", "x-settlement-data": data}
    async with http.post(facilitator.url + "/settle_data", headers=headers) as response:
        assert response.status == 202
    await facilitator.drain()
