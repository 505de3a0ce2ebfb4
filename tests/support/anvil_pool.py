"""A bug of anvil 1.7.1 that would stop a test for good.

Among many transactions at once it now and then keeps an account's next one with those of the
future. Then nothing moves it: no block, and no second copy ("already imported").
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from opengradient_sdk.chain import Chain
from opengradient_sdk.types import Address


@asynccontextmanager
async def freed(chain: Chain, sender: Address) -> AsyncIterator[None]:
    """Empty the pool whenever it holds back the next transaction of ``sender``.

    Whoever sent it has to notice that it is gone, and to send it again.
    """
    freeing = asyncio.create_task(_free(chain, sender))
    try:
        yield
    finally:
        freeing.cancel()
        await asyncio.wait([freeing])
        if not freeing.cancelled():
            freeing.result()


async def _free(chain: Chain, sender: Address) -> None:
    held = -1
    while True:
        await asyncio.sleep(1)  # anvil tells nobody
        before, held = held, await _held_back(chain, sender)
        if held == before != -1:
            await chain.rpc.call("anvil_dropAllTransactions")


async def _held_back(chain: Chain, sender: Address) -> int:
    """Return the nonce that could be mined and is not; -1 where there is none."""
    status: Any = await chain.rpc.call("txpool_status")
    if int(status["pending"], 16) or not int(status["queued"], 16):
        return -1
    count = await chain.rpc.transaction_count(sender, "latest")
    pool: Any = await chain.rpc.call("txpool_inspect")
    of_sender = {account.lower(): nonces for account, nonces in pool["queued"].items()}
    return count if str(count) in of_sender.get(sender.lower(), {}) else -1
