"""Every type of transaction that Prague has is mined and shown as such; blobs are refused."""

from __future__ import annotations

import rlp
from eth_account import Account

STRANGER = "0x" + "22" * 20
ACCESS = [{"address": STRANGER, "storageKeys": ["0x" + "00" * 31 + "07"]}]


async def test_an_access_list_is_kept(pyevm):
    receipt = await pyevm.send(to=STRANGER, accessList=ACCESS)
    assert (receipt["type"], receipt["status"]) == ("0x2", "0x1")
    shown = await pyevm.ask("eth_getTransactionByHash", receipt["transactionHash"])
    assert shown["accessList"] == ACCESS
    assert int(receipt["gasUsed"], 16) == 21_000 + 2_400 + 1_900

    fields = {"to": STRANGER, "gas": 30_000, "gasPrice": 10**9, "nonce": 1, "value": 0}
    signed = pyevm.account.sign_transaction({**fields, "accessList": ACCESS, "chainId": 8453})
    tx_hash = await pyevm.ask("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
    shown = await pyevm.ask("eth_getTransactionByHash", tx_hash)
    assert (shown["type"], shown["accessList"]) == ("0x1", ACCESS)
    assert "maxFeePerGas" not in shown


async def test_an_access_list_counts_in_an_estimate(pyevm):
    call = {"from": pyevm.address, "to": STRANGER, "data": "0x01", "accessList": ACCESS}
    without = int(await pyevm.ask("eth_estimateGas", {**call, "accessList": None}), 16)
    assert int(await pyevm.ask("eth_estimateGas", call), 16) > without + 4_000


async def test_an_account_can_delegate_its_code(chain):
    delegate = await chain.send(to="", data=bytes.fromhex("6460015ff3005f5260206000f3"))
    target = delegate["contractAddress"]
    owner = Account.create()
    authorization = owner.sign_authorization({"chainId": 8453, "address": target, "nonce": 0})
    receipt = await chain.send(to=STRANGER, authorizationList=[authorization])
    assert (receipt["type"], receipt["status"]) == ("0x4", "0x1")
    code = await chain.ask("eth_getCode", owner.address, "latest")
    assert code == "0xef0100" + target[2:]
    shown = await chain.ask("eth_getTransactionByHash", receipt["transactionHash"])
    (entry,) = shown["authorizationList"]
    assert (entry["address"], int(entry["chainId"], 16)) == (target, 8453)


async def test_blobs_are_refused(pyevm):
    to = bytes.fromhex(STRANGER[2:])
    blob = b"\x01" + bytes(31)
    body = [8453, 0, 1, 10**9, 30_000, to, 0, b"", [], 1, [blob], 0, 1, 1]
    error = await pyevm.refused("eth_sendRawTransaction", "0x03" + rlp.encode(body).hex())
    assert error["message"] == "transaction type not supported"


async def test_a_contract_that_needs_more_than_it_uses_is_estimated_to_succeed(pyevm):
    # Fails unless more than 60 000 gas is left, and uses next to none of it.
    wary = "61ea605a11600957fe5b00"
    deployed = await pyevm.send(to="", data=bytes.fromhex(f"6a{wary}600052600b6015f3"))
    target = deployed["contractAddress"]
    call = {"from": pyevm.address, "to": target, "data": "0x01"}
    estimate = int(await pyevm.ask("eth_estimateGas", call), 16)
    receipt = await pyevm.send(to=target, data=b"\1", gas=estimate)
    assert receipt["status"] == "0x1"
    assert estimate > int(receipt["gasUsed"], 16) + 30_000
