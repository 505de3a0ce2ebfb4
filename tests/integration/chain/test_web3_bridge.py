"""web3.py over this package's connections: contracts, events, raw transactions, and a clean end."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from web3.exceptions import Web3RPCError

from opengradient_sdk.chain import Chain
from opengradient_sdk.chain.contracts.erc20 import TRANSFER
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Address, TxRequest

if TYPE_CHECKING:
    from web3 import AsyncWeb3

OPG = DEVNET.opg
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
ABI = [
    {
        "type": "function",
        "name": "balanceOf",
        "stateMutability": "view",
        "inputs": [{"name": "account", "type": "address"}],
        "outputs": [{"name": "", "type": "uint256"}],
    },
    {
        "type": "event",
        "name": "Transfer",
        "anonymous": False,
        "inputs": [
            {"name": "from", "type": "address", "indexed": True},
            {"name": "to", "type": "address", "indexed": True},
            {"name": "value", "type": "uint256", "indexed": False},
        ],
    },
]


def transfer(amount: int) -> TxRequest:
    return TxRequest(to=OPG, data=TRANSFER.encode(BOB, amount), allow_spend=True)


@pytest.fixture
def w3(chain: Chain) -> AsyncWeb3:
    return chain.web3()


async def test_events_are_found_by_contract_and_argument(chain: Chain, w3: AsyncWeb3) -> None:
    opg = w3.eth.contract(OPG, abi=ABI)
    for amount in (1, 2):
        receipt = await chain.execute(transfer(amount))
    logs = await opg.events.Transfer.get_logs(from_block=0, argument_filters={"to": BOB})
    assert [log["args"]["value"] for log in logs] == [1, 2]
    assert logs[-1]["transactionHash"] == receipt.hash
    assert await opg.events.Transfer.get_logs(from_block=0, argument_filters={"to": OPG}) == []


async def test_an_event_filter_hears_each_event_once(chain: Chain, w3: AsyncWeb3) -> None:
    opg = w3.eth.contract(OPG, abi=ABI)
    heard = await opg.events.Transfer.create_filter(from_block="latest")
    await chain.execute(transfer(5))
    first = await heard.get_new_entries()
    assert [log["args"]["value"] for log in first] == [5]
    # two who ask at the same time are two calls: the second one's answer is empty
    await chain.execute(transfer(6))
    both = await asyncio.gather(heard.get_new_entries(), heard.get_new_entries())
    assert [log["args"]["value"] for entries in both for log in entries] == [6]


async def test_a_transaction_that_was_signed_here_is_sent_by_web3(
    chain: Chain, w3: AsyncWeb3
) -> None:
    signed = await chain.sign(await chain.build(transfer(7)))
    assert await w3.eth.send_raw_transaction(signed.raw) == signed.hash
    receipt = await w3.eth.wait_for_transaction_receipt(signed.hash, poll_latency=0.05)
    assert receipt["status"] == 1
    assert await w3.eth.contract(OPG, abi=ABI).functions.balanceOf(BOB).call() == 7


async def test_a_refusal_reaches_web3_in_the_nodes_words(chain: Chain, w3: AsyncWeb3) -> None:
    signed = await chain.sign(await chain.build(transfer(8)))
    await w3.eth.send_raw_transaction(signed.raw)
    await w3.eth.wait_for_transaction_receipt(signed.hash, poll_latency=0.05)
    used = await chain.sign(
        await chain.build(TxRequest(to=BOB, value=1, nonce=signed.tx.nonce, gas=21_000))
    )
    with pytest.raises(Web3RPCError, match="nonce too low"):
        await w3.eth.send_raw_transaction(used.raw)


PROGRAM = """
import asyncio
from opengradient_sdk.chain import Chain

async def main(url):
    async with Chain.connect(url) as chain:
        web3 = chain.web3()
        print(await asyncio.gather(web3.eth.chain_id, web3.eth.get_block_number()))

asyncio.run(main({url!r}))
"""


async def test_nothing_is_left_open_at_exit(chain_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error::ResourceWarning"),
        *("-c", PROGRAM.replace("{url!r}", repr(chain_url))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert said.decode().strip() == "[31337, 0]"
    assert process.returncode == 0
    assert b"Unclosed" not in complained
    assert b"ResourceWarning" not in complained
