"""100 balances and 100 allowances, read: ``python reading.py web3 | ours RPC_URL``.

Prints the requests it took, which a server counts that stands between, and the milliseconds without
that one, over a connection that is open. web3.py reads one by one, as its documentation shows.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from benchmarks.sending import SENDER
from opengradient_sdk.profiles import MAINNET
from opengradient_sdk.types import Address
from tests.support.faulty_rpc import FaultyRpc

Reading = Callable[[], Awaitable[list[int]]]
Contender = Callable[[str], AbstractAsyncContextManager[Reading]]

ACCOUNTS: Final = [Address.from_bytes(number.to_bytes(20, "big")) for number in range(1, 100)]
ACCOUNTS.append(Address(SENDER))

_ABI: Final = json.loads(
    '[{"type":"function","name":"balanceOf","stateMutability":"view",'
    '"inputs":[{"name":"account","type":"address"}],"outputs":[{"name":"","type":"uint256"}]},'
    '{"type":"function","name":"allowance","stateMutability":"view",'
    '"inputs":[{"name":"owner","type":"address"},{"name":"spender","type":"address"}],'
    '"outputs":[{"name":"","type":"uint256"}]}]'
)


@asynccontextmanager
async def _theirs(rpc_url: str) -> AsyncIterator[Reading]:
    from aiohttp import ClientSession
    from web3 import AsyncHTTPProvider, AsyncWeb3

    provider = AsyncHTTPProvider(rpc_url, cache_allowed_requests=True)  # else three for one
    async with ClientSession(raise_for_status=True) as session:
        await provider.cache_async_session(session)
        opg = AsyncWeb3(provider).eth.contract(address=str(MAINNET.opg), abi=_ABI)

        async def read() -> list[int]:
            balances = [await opg.functions.balanceOf(each).call() for each in ACCOUNTS]
            allowances = [
                await opg.functions.allowance(each, MAINNET.permit2).call() for each in ACCOUNTS
            ]
            return balances + allowances

        yield read


@asynccontextmanager
async def _ours(rpc_url: str) -> AsyncIterator[Reading]:
    from opengradient_sdk.chain import Chain
    from opengradient_sdk.chain.contracts import Erc20

    async with Chain.connect(rpc_url, block_time=1.0) as chain:
        opg = Erc20(chain.rpc, MAINNET.opg)

        async def read() -> list[int]:
            return await chain.read_many(
                [
                    *(opg.balance_of(each) for each in ACCOUNTS),
                    *(opg.allowance(each, MAINNET.permit2) for each in ACCOUNTS),
                ]
            )

        yield read


async def _measured(contender: Contender, rpc_url: str) -> dict[str, float]:
    async with FaultyRpc(rpc_url) as counting, contender(counting.url) as read:
        before = counting.exchanges
        await read()
        calls = counting.exchanges - before
    async with contender(rpc_url) as read:
        await read()  # opens the connection
        started = time.perf_counter()
        values = await read()
        wall = time.perf_counter() - started
    assert len(values) == 2 * len(ACCOUNTS)
    assert values[len(ACCOUNTS) - 1] > 0
    return {"read_calls": calls, "read_ms": wall * 1e3}


if __name__ == "__main__":
    chosen: Contender = {"web3": _theirs, "ours": _ours}[sys.argv[1]]
    print(json.dumps(asyncio.run(_measured(chosen, sys.argv[2]))))
