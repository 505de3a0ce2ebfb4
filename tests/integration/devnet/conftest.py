"""Chains to speak JSON-RPC with, and a sender for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from eth_account import Account

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.devnet.contracts import addresses, artifacts, genesis_alloc
from opengradient_sdk.devnet.evm import Anvil, Evm, PyEvm
from opengradient_sdk.types import Address

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

OPG = artifacts.load("OPG")
FUNDS = 10**21
CHAIN_ID = 8453


@dataclass
class RpcChain:
    """A running chain, and an account on it that has everything."""

    evm: Evm
    clock: ShiftedClock
    session: aiohttp.ClientSession
    account: LocalAccount = field(default_factory=lambda: Account.from_key("0x" + "11" * 32))

    @property
    def address(self) -> Address:
        return Address(self.account.address)

    async def post(self, body: object) -> Any:
        """Return what the HTTP endpoint answers to any JSON body."""
        async with self.session.post(self.evm.rpc_url, json=body) as response:
            return await response.json()

    async def ask(self, method: str, *params: object) -> Any:
        """Return the result of a call over HTTP, or fail with its error."""
        answer = await self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        assert "error" not in answer, answer
        return answer["result"]

    async def refused(self, method: str, *params: object) -> dict[str, Any]:
        """Return the error of a call over HTTP."""
        answer = await self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        assert "result" not in answer, answer
        return answer["error"]

    async def nonce(self) -> int:
        return int(await self.ask("eth_getTransactionCount", self.address, "pending"), 16)

    def raw(self, **fields: Any) -> str:
        """Return a signed EIP-1559 transaction; what is not given is plain."""
        transaction = {
            "chainId": self.evm.chain_id,
            "to": addresses.OPG,
            "value": 0,
            "data": b"",
            "gas": 200_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**6,
            **fields,
        }
        if transaction["to"]:
            transaction["to"] = Address(transaction["to"])
        return "0x" + self.account.sign_transaction(transaction).raw_transaction.hex()

    async def send(self, **fields: Any) -> Mapping[str, Any]:
        """Send a transaction and return its receipt."""
        fields.setdefault("nonce", await self.nonce())
        tx_hash = await self.ask("eth_sendRawTransaction", self.raw(**fields))
        async with asyncio.timeout(60):
            while True:
                if receipt := await self.ask("eth_getTransactionReceipt", tx_hash):
                    return receipt
                await asyncio.sleep(0.01)  # anvil mines a moment after it has answered

    async def transfer(self, to: str, atoms: int) -> Mapping[str, Any]:
        """Send OPG and return the receipt."""
        return await self.send(data=OPG.encode_call("transfer", to, atoms))

    async def opg_of(self, holder: str, block: object = "latest") -> int:
        """Return the OPG of ``holder`` in atoms."""
        call = {"to": addresses.OPG, "data": "0x" + OPG.encode_call("balanceOf", holder).hex()}
        return int(await self.ask("eth_call", call, block), 16)


@asynccontextmanager
async def running(kind: type[PyEvm | Anvil], chain_id: int = CHAIN_ID, **options: Any):
    """Run a chain with the Devnet's contracts."""
    clock = ShiftedClock()
    account = Address(Account.from_key("0x" + "11" * 32).address)
    alloc = genesis_alloc(
        admin=account, opg_balances={account: FUNDS}, eth_balances={account: FUNDS}
    )
    evm = kind(chain_id=chain_id, alloc=alloc, clock=clock, **options)
    await evm.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield RpcChain(evm, clock, session)
    finally:
        await evm.stop()


@pytest.fixture(params=[PyEvm, pytest.param(Anvil, marks=pytest.mark.anvil)])
async def chain(request: pytest.FixtureRequest) -> AsyncIterator[RpcChain]:
    """Each kind of chain: what a test says of it holds for both."""
    async with running(request.param) as chain:
        yield chain


@pytest.fixture
async def pyevm() -> AsyncIterator[RpcChain]:
    """The in-process chain."""
    async with running(PyEvm) as chain:
        yield chain


@pytest.fixture
def run_chain():
    """Start further chains: ``async with run_chain(PyEvm, chain_id=1) as chain``."""
    return running
