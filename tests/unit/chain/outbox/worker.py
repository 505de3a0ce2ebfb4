"""A process that works on a shared book, as its arguments say; it prints what it got.

worker.py <location> lease <how often>     lease one by one, print the nonces, leave
worker.py <location> die <how many>        sign half of its leases for sending, then wait
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from opengradient_sdk._core.store import open_store
from opengradient_sdk.chain.outbox.journal import TxJournal
from opengradient_sdk.chain.outbox.schema import SCHEMA

sys.path.insert(0, str(Path(__file__).parent))
from makers import ACCOUNT, signed


async def lease(journal: TxJournal, times: int) -> list[int]:
    """Lease and sign one nonce after the other."""
    got: list[int] = []
    for _ in range(times):
        leased = await journal.lease(ACCOUNT, count=0)
        assert leased is not None
        await journal.sign(ACCOUNT, [signed(leased.nonces[0])], sending=True)
        got += leased.nonces
    return got


async def hold(journal: TxJournal, many: int) -> list[int]:
    """Lease ``many`` nonces and be sending the first half of them."""
    leased = await journal.lease(ACCOUNT, many, count=0)
    assert leased is not None
    half = leased.nonces[: many // 2]
    await journal.sign(ACCOUNT, [signed(nonce) for nonce in half], sending=True)
    return list(leased.nonces)


async def main(location: str, what: str, number: int) -> None:
    """Do it, print it, and go on until standard input ends."""
    store = open_store(location, SCHEMA)
    journal = TxJournal(store, holder=what if what == "die" else None)
    got = await (lease if what == "lease" else hold)(journal, number)
    print(json.dumps(got), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await journal.leave()
    await store.aclose()


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
