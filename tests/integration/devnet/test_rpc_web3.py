"""web3.py, which nobody here wrote, works on the Devnet's chains."""

from __future__ import annotations

from web3 import AsyncHTTPProvider, AsyncWeb3

from opengradient_sdk.devnet.contracts import addresses, artifacts

STRANGER = "0x" + "22" * 20


async def test_web3_reads_sends_and_finds_events(chain):
    web3 = AsyncWeb3(AsyncHTTPProvider(chain.evm.rpc_url))
    opg = web3.eth.contract(address=addresses.OPG, abi=artifacts.load("OPG").abi)
    try:
        assert await web3.eth.chain_id == chain.evm.chain_id
        assert await opg.functions.symbol().call() == "OPG"
        fields = await opg.functions.transfer(STRANGER, 5).build_transaction(
            {"from": chain.account.address, "nonce": 0}
        )
        signed = chain.account.sign_transaction(fields)
        tx_hash = await web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = await web3.eth.wait_for_transaction_receipt(tx_hash)
        assert receipt["status"] == 1
        assert receipt["gasUsed"] <= fields["gas"]
        block = await web3.eth.get_block(receipt["blockNumber"], full_transactions=True)
        assert block["transactions"][0]["hash"] == tx_hash
        assert (await web3.eth.get_transaction(tx_hash))["blockHash"] == block["hash"]
        (event,) = await opg.events.Transfer().get_logs(from_block=0)
        assert event["args"]["to"] == web3.to_checksum_address(STRANGER)
        assert event["args"]["value"] == 5
        assert await opg.functions.balanceOf(STRANGER).call() == 5
        history = await web3.eth.fee_history(1, "latest", [50])
        assert history["baseFeePerGas"][-1] > 0
    finally:
        await web3.provider.disconnect()


async def test_web3_batches_are_answered_in_order(chain):
    web3 = AsyncWeb3(AsyncHTTPProvider(chain.evm.rpc_url))
    try:
        async with web3.batch_requests() as batch:
            batch.add(web3.eth.get_balance(chain.account.address))
            batch.add(web3.eth.get_block(0))
            balance, block = await batch.async_execute()
        assert balance == 10**21
        assert block["number"] == 0
    finally:
        await web3.provider.disconnect()


async def test_an_estimate_suffices_and_is_not_far_above_what_is_used(pyevm):
    data = artifacts.load("OPG").encode_call("transfer", STRANGER, 5)
    message = {"from": pyevm.address, "to": addresses.OPG, "data": "0x" + data.hex()}
    estimate = int(await pyevm.ask("eth_estimateGas", message), 16)
    receipt = await pyevm.send(data=data, gas=estimate)
    assert receipt["status"] == "0x1"
    assert estimate <= int(receipt["gasUsed"], 16) * 1.02


async def test_a_plain_transfer_is_estimated_exactly(chain):
    message = {"from": chain.address, "to": STRANGER, "value": "0x1"}
    assert int(await chain.ask("eth_estimateGas", message), 16) == 21_000


async def test_a_call_leaves_nothing_behind_for_the_next_one(pyevm):
    data = "0x" + artifacts.load("OPG").encode_call("transfer", STRANGER, 5).hex()
    message = {"from": pyevm.address, "to": addresses.OPG, "data": data}
    estimate = await pyevm.ask("eth_estimateGas", message)
    assert int(await pyevm.ask("eth_call", message, "latest"), 16) == 1
    assert await pyevm.opg_of(STRANGER) == 0
    assert await pyevm.opg_of(pyevm.address) == 10**21
    assert await pyevm.ask("eth_estimateGas", message) == estimate
    assert await pyevm.ask("eth_getTransactionCount", pyevm.address, "latest") == "0x0"
    receipt = await pyevm.transfer(STRANGER, 5)
    assert int(receipt["gasUsed"], 16) <= int(estimate, 16)
    assert await pyevm.opg_of(STRANGER) == 5
