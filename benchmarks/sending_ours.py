"""This package under measurement: ``python sending_ours.py WAY RPC_URL COUNT``.

``one_by_one``, ``execute`` (a task for each) or ``execute_many``. Every transaction is journalled
in a SQLite file, durably, before it is broadcast, whichever way it is sent.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.sending import FEE, FRIEND, GAS, KEY, PATIENCE, TIP, Way, measured
from opengradient_sdk.chain import Chain
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, TxReceipt, TxRequest

_TRANSFER = TxRequest(
    to=Address(FRIEND), value=1, gas=GAS, max_fee_per_gas=FEE, max_priority_fee_per_gas=TIP
)


class _OurSender:
    def __init__(self, rpc_url: str) -> None:
        self._url = rpc_url

    async def one_by_one(self, count: int) -> int:
        """Send each when the one before has its receipt."""
        async with self._connected() as chain:
            receipts = [await chain.execute(_TRANSFER) for _ in range(count)]
        return sum(receipt.succeeded for receipt in receipts)

    async def execute(self, count: int) -> int:
        """Send all at once, each from a task of its own."""
        async with self._connected() as chain:
            receipts = await asyncio.gather(
                *(chain.execute(_TRANSFER, timeout=PATIENCE) for _ in range(count))
            )
        return sum(receipt.succeeded for receipt in receipts)

    async def execute_many(self, count: int) -> int:
        """Send all in one call."""
        async with self._connected() as chain:
            outcomes = await chain.execute_many([_TRANSFER] * count, timeout=PATIENCE)
        return sum(isinstance(each, TxReceipt) and each.succeeded for each in outcomes)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Chain]:
        with tempfile.TemporaryDirectory(prefix="opengradient-bench-") as folder:
            async with Chain.connect(
                self._url,
                signer=LocalSigner(KEY),
                store=str(Path(folder) / "journal.sqlite"),
                block_time=1.0,
            ) as chain:
                yield chain


def main() -> None:
    """Send as the command line says."""
    way, rpc_url, count = sys.argv[1:]
    sender = _OurSender(rpc_url)
    sends = {
        "one_by_one": sender.one_by_one,
        "execute": sender.execute,
        "execute_many": sender.execute_many,
    }
    print(measured(rpc_url, Way(way, sends[way]), int(count)))


if __name__ == "__main__":
    main()
