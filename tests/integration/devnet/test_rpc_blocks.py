"""Every way of naming a block means what it should, for blocks and for the state after them."""

from __future__ import annotations

import rlp

from opengradient_sdk.types import keccak256

STRANGER = "0x" + "22" * 20
HEADER_MEMBERS = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
    *("logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"),
    *("mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas"),
    *("parentBeaconBlockRoot", "requestsHash"),
)
QUANTITIES = {
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "baseFeePerGas",
    "blobGasUsed",
    "excessBlobGas",
}


async def number_of(chain, tag):
    return int((await chain.ask("eth_getBlockByNumber", tag, False))["number"], 16)


async def test_safe_and_finalized_lag_behind_latest(chain):
    assert [await number_of(chain, t) for t in ("latest", "safe", "finalized")] == [0, 0, 0]
    await chain.evm.mine(10)
    assert [await number_of(chain, t) for t in ("latest", "safe", "finalized")] == [10, 6, 2]


async def test_the_finality_depth_can_be_set(run_chain):
    from opengradient_sdk.devnet.evm import PyEvm

    async with run_chain(PyEvm, finality_depth=3) as chain:
        await chain.evm.mine(5)
        assert [await number_of(chain, t) for t in ("latest", "safe", "finalized")] == [5, 4, 2]


async def test_state_is_kept_for_every_block(chain):
    first = await chain.transfer(STRANGER, 1)
    await chain.transfer(STRANGER, 2)
    at_first = first["blockNumber"]
    assert await chain.opg_of(STRANGER, "earliest") == 0
    assert await chain.opg_of(STRANGER, at_first) == 1
    assert await chain.opg_of(STRANGER, {"blockNumber": at_first}) == 1
    assert await chain.opg_of(STRANGER, {"blockHash": first["blockHash"]}) == 1
    for tag in ("latest", "pending"):
        assert await chain.opg_of(STRANGER, tag) == 3
    for tag in ("safe", "finalized"):
        assert await chain.opg_of(STRANGER, tag) == 0


async def test_nonce_and_balance_are_read_at_a_block_too(chain):
    await chain.send(to=STRANGER, value=7)
    assert await chain.ask("eth_getTransactionCount", chain.address, "earliest") == "0x0"
    assert await chain.ask("eth_getTransactionCount", chain.address, "latest") == "0x1"
    assert await chain.ask("eth_getBalance", STRANGER, "earliest") == "0x0"
    assert await chain.ask("eth_getBalance", STRANGER, "latest") == "0x7"


async def test_code_and_storage_are_there(chain):
    from opengradient_sdk.devnet.contracts import addresses, artifacts

    supply = artifacts.load("OPG").slots["_totalSupply"]
    assert len(await chain.ask("eth_getCode", addresses.PERMIT2, "latest")) > 1000
    assert await chain.ask("eth_getCode", STRANGER, "latest") == "0x"
    word = await chain.ask("eth_getStorageAt", addresses.OPG, hex(supply), "latest")
    assert (len(word), int(word, 16)) == (66, 10**21)
    padded = "0x" + supply.to_bytes(32, "big").hex()
    assert await chain.ask("eth_getStorageAt", addresses.OPG, padded, "latest") == word


async def test_a_block_that_is_not_there_is_null_and_has_no_state(pyevm):
    assert await pyevm.ask("eth_getBlockByNumber", "0x64", False) is None
    assert await pyevm.ask("eth_getBlockByHash", "0x" + "00" * 32, False) is None
    assert await pyevm.ask("eth_getTransactionByHash", "0x" + "00" * 32) is None
    assert await pyevm.ask("eth_getTransactionReceipt", "0x" + "00" * 32) is None
    error = await pyevm.refused("eth_getBalance", STRANGER, "0x64")
    assert (error["code"], error["message"]) == (-32000, "header not found")


async def test_the_pending_block_has_no_hash_yet(pyevm):
    pending = await pyevm.ask("eth_getBlockByNumber", "pending", False)
    assert (pending["number"], pending["hash"], pending["transactions"]) == ("0x1", None, [])


async def test_a_block_hash_is_the_hash_of_its_header(pyevm):
    await pyevm.transfer(STRANGER, 1)
    block = await pyevm.ask("eth_getBlockByNumber", "latest", False)
    fields = [
        _integer(block[member]) if member in QUANTITIES else bytes.fromhex(block[member][2:])
        for member in HEADER_MEMBERS
    ]
    assert block["hash"] == "0x" + keccak256(rlp.encode(fields)).hex()
    parent = await pyevm.ask("eth_getBlockByNumber", "0x0", False)
    assert block["parentHash"] == parent["hash"]


async def test_a_transaction_is_found_in_every_way(pyevm):
    receipt = await pyevm.transfer(STRANGER, 1)
    block_hash, number = receipt["blockHash"], receipt["blockNumber"]
    transaction = await pyevm.ask("eth_getTransactionByHash", receipt["transactionHash"])
    by_number = await pyevm.ask("eth_getTransactionByBlockNumberAndIndex", number, "0x0")
    by_hash = await pyevm.ask("eth_getTransactionByBlockHashAndIndex", block_hash, "0x0")
    block = await pyevm.ask("eth_getBlockByHash", block_hash, True)
    assert transaction == by_number == by_hash == block["transactions"][0]
    assert transaction["type"] == "0x2"
    assert await pyevm.ask("eth_getBlockReceipts", number) == [receipt]
    assert await pyevm.ask("eth_getBlockReceipts", block_hash) == [receipt]
    assert await pyevm.ask("eth_getBlockTransactionCountByNumber", number) == "0x1"
    assert await pyevm.ask("eth_getBlockTransactionCountByHash", block_hash) == "0x1"
    beyond = await pyevm.ask("eth_getTransactionByBlockNumberAndIndex", number, "0x1")
    assert beyond is None


def _integer(quantity):
    value = int(quantity, 16)
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
