"""web3.py under measurement: ``python sending_web3.py one_by_one | gather RPC_URL COUNT``.

As somebody would write it who knows web3.py well: asynchronous, over one session that keeps its
connections, gas and fees given, signed locally, with a counter of nonces of their own. Receipts
come as fast as web3.py brings them: the last one is awaited, then all are read in batches.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.sending import FEE, FRIEND, GAS, KEY, PATIENCE, TIP, Way, measured

if TYPE_CHECKING:
    from hexbytes import HexBytes
    from web3 import AsyncWeb3
    from web3.types import TxReceipt

_POLL_SECONDS = 0.05
_BATCH = 100


class _Web3Sender:
    def __init__(self, rpc_url: str) -> None:
        from eth_account import Account

        self._url = rpc_url
        self._account = Account.from_key(KEY)

    async def one_by_one(self, count: int) -> int:
        """Send each when the one before has its receipt."""
        async with self._connected() as w3:
            chain_id, first = await self._chain_and_nonce(w3)
            statuses = [
                (await self._receipt(w3, await self._send(w3, chain_id, first + n)))["status"]
                for n in range(count)
            ]
        return sum(statuses)

    async def gather(self, count: int) -> int:
        """Send all at once, then collect the receipts."""
        async with self._connected() as w3:
            chain_id, first = await self._chain_and_nonce(w3)
            hashes = await asyncio.gather(
                *(self._send(w3, chain_id, first + n) for n in range(count))
            )
            await self._receipt(w3, hashes[-1])  # nonces are in order: the others are there too
            receipts: list[Any] = []
            for start in range(0, count, _BATCH):
                async with w3.batch_requests() as batch:
                    for sent in hashes[start : start + _BATCH]:
                        batch.add(w3.eth.get_transaction_receipt(sent))
                    receipts += await batch.async_execute()
        return sum(receipt["status"] for receipt in receipts)

    async def _send(self, w3: AsyncWeb3[Any], chain_id: int, nonce: int) -> HexBytes:
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "to": FRIEND,
            "value": 1,
            "gas": GAS,
            "maxFeePerGas": FEE,
            "maxPriorityFeePerGas": TIP,
        }
        signed = self._account.sign_transaction(transaction)
        return await w3.eth.send_raw_transaction(signed.raw_transaction)

    async def _receipt(self, w3: AsyncWeb3[Any], sent: HexBytes) -> TxReceipt:
        return await w3.eth.wait_for_transaction_receipt(sent, PATIENCE, _POLL_SECONDS)

    async def _chain_and_nonce(self, w3: AsyncWeb3[Any]) -> tuple[int, int]:
        count = await w3.eth.get_transaction_count(self._account.address)
        return await w3.eth.chain_id, count

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncWeb3[Any]]:
        from aiohttp import ClientSession
        from web3 import AsyncHTTPProvider, AsyncWeb3

        provider = AsyncHTTPProvider(self._url)
        # the session that web3.py makes by itself opens a connection for each request
        session = ClientSession(raise_for_status=True)
        await provider.cache_async_session(session)
        try:
            yield AsyncWeb3(provider)
        finally:
            await session.close()


def main() -> None:
    """Send as the command line says."""
    way, rpc_url, count = sys.argv[1:]
    sender = _Web3Sender(rpc_url)
    sends = {"one_by_one": sender.one_by_one, "gather": sender.gather}
    print(measured(rpc_url, Way(way, sends[way]), int(count)))


if __name__ == "__main__":
    main()
