"""Transactions from request to receipt on anvil and on the Devnet's py-evm."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError
from web3.types import RPCEndpoint

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.chain.abi import Event, Function
from opengradient_sdk.errors import (
    InsufficientFundsError,
    NonceError,
    RevertedError,
    RpcError,
    Spent,
    WrongChainError,
)
from opengradient_sdk.profiles import MAINNET
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, Bytes32, TxRequest

BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
OPG = MAINNET.opg
TRANSFER = Function("transfer(address,uint256)", returns="bool")
TRANSFERRED = Event("Transfer(address indexed sender, address indexed recipient, uint256 amount)")
ETHER = 10**18


def opg_transfer(amount: int) -> TxRequest:
    return TxRequest(to=OPG, data=TRANSFER.encode(BOB, amount), allow_spend=True)


async def test_the_four_steps_one_by_one(chain: Chain) -> None:
    prepared = await chain.build(TxRequest(to=BOB, value=5))
    assert (prepared.nonce, prepared.gas, prepared.chain_id) == (0, 21_000, 31337)
    signed = await chain.sign(prepared)
    pending = await chain.send(signed)
    receipt = await pending.wait()
    assert pending.hash == signed.hash == receipt.hash
    assert receipt.succeeded
    assert receipt.fee.atoms <= prepared.estimate().atoms
    assert await chain.rpc.get_balance(BOB) == 5


async def test_execute_moves_opg_and_the_log_says_so(chain: Chain) -> None:
    receipt = await chain.execute(opg_transfer(3))
    (log,) = receipt.logs
    assert TRANSFERRED.decode(log)["amount"] == 3
    found = await chain.rpc.get_logs(OPG, [TRANSFERRED.topic], from_block=0)
    assert log in found


async def test_many_at_once_on_one_account(chain: Chain) -> None:
    prepared = await asyncio.gather(*(chain.build(TxRequest(to=BOB, value=1)) for _ in range(20)))
    assert sorted(tx.nonce for tx in prepared) == list(range(20))
    ordered = sorted(prepared, key=lambda tx: tx.nonce)
    pending = [await chain.send(await chain.sign(tx)) for tx in ordered]
    receipts = await asyncio.gather(*(one.wait() for one in pending))
    assert all(receipt.succeeded for receipt in receipts)
    assert await chain.rpc.get_balance(BOB) == 20


async def test_a_revert_is_found_before_anything_is_signed(chain: Chain) -> None:
    with pytest.raises(RevertedError) as caught:
        await chain.build(opg_transfer(11 * ETHER))
    assert caught.value.reason.startswith("ERC20InsufficientBalance(")
    assert caught.value.spent is Spent.NO
    assert (await chain.build(TxRequest(to=BOB))).nonce == 0


async def test_a_mined_revert_has_its_reason_and_its_fee(chain: Chain) -> None:
    with pytest.raises(RevertedError) as caught:
        await chain.execute(replace(opg_transfer(11 * ETHER), gas=100_000))
    assert caught.value.reason == (
        f"ERC20InsufficientBalance({(await chain.build(TxRequest(to=BOB))).sender}, "
        f"{10 * ETHER}, {11 * ETHER})"
    )
    assert caught.value.spent is Spent.YES
    assert caught.value.amount is not None
    assert caught.value.amount.atoms > 0


async def test_an_empty_account_hears_both_numbers(
    accounts: list[LocalSigner], chain: Chain
) -> None:
    async with Chain(chain.rpc, profile=chain.profile, signer=accounts[3]) as poor:
        with pytest.raises(InsufficientFundsError):
            await poor.build(TxRequest(to=BOB, value=1))
        with pytest.raises(InsufficientFundsError, match="has 0 ETH, but the transaction may cost"):
            await poor.build(TxRequest(to=BOB))


async def test_a_used_nonce_is_refused_and_the_next_one_is_right(chain: Chain) -> None:
    await chain.execute(TxRequest(to=BOB, value=1))
    with pytest.raises(NonceError):
        await chain.execute(TxRequest(to=BOB, value=2, nonce=0))
    assert (await chain.build(TxRequest(to=BOB))).nonce == 1


async def test_sending_twice_is_one_transaction(chain: Chain) -> None:
    signed = await chain.sign(await chain.build(TxRequest(to=BOB, value=5)))
    await (await chain.send(signed)).wait()
    receipt = await (await chain.send(signed)).wait()
    assert receipt.hash == signed.hash
    assert await chain.rpc.get_balance(BOB) == 5


async def test_a_transaction_sent_by_another_program_is_stepped_over(
    chain: Chain, accounts: list[LocalSigner]
) -> None:
    mine = await chain.build(TxRequest(to=BOB, value=1))
    async with Chain(chain.rpc, profile=chain.profile, signer=accounts[0]) as other:
        await other.execute(TxRequest(to=BOB, value=2))
    with pytest.raises(NonceError):
        await chain.send(await chain.sign(mine))
    receipt = await chain.execute(TxRequest(to=BOB, value=3))
    assert receipt.succeeded


async def test_a_contract_is_deployed(chain: Chain) -> None:
    # PUSH1 42 PUSH1 0 MSTORE8 PUSH1 1 PUSH1 0 RETURN: the contract's code is one byte, 0x2a
    receipt = await chain.execute(TxRequest(data=bytes.fromhex("602a60005360016000f3")))
    assert receipt.contract_address is not None
    assert await chain.rpc.get_code(receipt.contract_address) == b"\x2a"


async def test_reads_at_a_tag_a_number_and_a_hash(chain: Chain) -> None:
    balance = Function("balanceOf(address)", returns="uint256")
    before = await chain.rpc.get_block()
    receipt = await chain.execute(opg_transfer(7))
    results = [
        balance.decode_result(await chain.read(OPG, balance.encode(BOB), block))[0]
        for block in ("latest", receipt.block_number, receipt.block_hash)
    ]
    assert results == [7, 7, 7]
    assert balance.decode_result(await chain.read(OPG, balance.encode(BOB), before.hash)) == (0,)
    transaction = await chain.rpc.get_transaction(receipt.hash)
    assert transaction is not None
    assert transaction.data == opg_transfer(7).data
    assert transaction.block_hash == receipt.block_hash


async def test_a_revert_in_a_read_is_decoded(chain: Chain) -> None:
    with pytest.raises(RevertedError, match=r"ERC20InsufficientBalance\(0x0{39}1, 0, 1\)|Invalid"):
        await chain.read(OPG, TRANSFER.encode(BOB, 1))


async def test_unknown_methods_and_blocks_are_rpc_errors(chain: Chain) -> None:
    with pytest.raises(RpcError):
        await chain.rpc.call("eth_noSuchMethod")
    with pytest.raises(RpcError):
        await chain.rpc.get_block(10**9)
    with pytest.raises(RpcError):
        await chain.rpc.get_block(Bytes32(b"\x09" * 32))


async def test_connect_learns_the_chain_from_the_endpoint(
    chain_url: str, accounts: list[LocalSigner]
) -> None:
    async with Chain.connect(chain_url, signer=accounts[1], block_time=0.2) as chain:
        assert chain.profile.chain_id == 31337
        assert not chain.profile.op_stack
        assert (await chain.execute(TxRequest(to=BOB, value=1))).succeeded


async def test_another_chain_is_refused(chain_url: str, http: HttpClient) -> None:
    with pytest.raises(WrongChainError, match="serves chain 31337, not chain 8453"):
        await Rpc([chain_url], http, chain_id=8453).block_number()


async def test_web3_speaks_through_our_connections(chain: Chain) -> None:
    web3 = chain.web3()
    assert await web3.is_connected()
    assert await web3.eth.chain_id == 31337
    receipt = await chain.execute(opg_transfer(4))
    assert (await web3.eth.get_transaction_receipt(receipt.hash))["blockHash"] == receipt.block_hash
    abi = [
        {
            "type": "function",
            "name": "balanceOf",
            "stateMutability": "view",
            "inputs": [{"name": "account", "type": "address"}],
            "outputs": [{"name": "", "type": "uint256"}],
        }
    ]
    assert await web3.eth.contract(OPG, abi=abi).functions.balanceOf(BOB).call() == 4
    async with web3.batch_requests() as batch:
        batch.add(web3.eth.get_block("latest"))
        batch.add(web3.eth.get_balance(BOB))
        block, balance = await batch.async_execute()
    assert (block["number"], balance) == (receipt.block_number, 0)


async def test_web3_hears_the_nodes_own_errors(chain: Chain) -> None:
    web3 = chain.web3()
    with pytest.raises((ContractCustomError, ContractLogicError)):
        await web3.eth.call({"to": OPG, "data": TRANSFER.encode(BOB, 1)})
    passed_on = await web3.provider.make_request(RPCEndpoint("eth_noSuchMethod"), [])
    assert passed_on["error"]["code"] == -32601
    with pytest.raises(Web3RPCError):
        await web3.manager.coro_request(RPCEndpoint("eth_noSuchMethod"), [])
