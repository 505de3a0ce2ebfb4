"""A process that executes one request and stops at a seam, to be killed there.

cut_short.py <rpc url> <store> <key> <value> <request id> <seam>

It prints a line when it is there: a nonce is ``leased``, the transaction is ``signed`` and not
written down, ``written`` and not broadcast, or ``broadcast`` and nobody has looked for it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from opengradient_sdk.chain import Chain
from opengradient_sdk.chain.outbox import page
from opengradient_sdk.signers import LocalSigner
from support.executing import Wallet, transfer

SEAMS = ("leased", "signed", "written", "broadcast")


async def stop() -> NoReturn:
    """Say so, and wait to be killed."""
    print("here", flush=True)
    await asyncio.Event().wait()
    raise AssertionError


def stopping(method: Callable[..., Awaitable[Any]], *, after: bool) -> Callable[..., Any]:
    """Return ``method`` with a stop before or after it."""

    async def stopped(*arguments: Any, **options: Any) -> Any:
        if after:
            await method(*arguments, **options)
        await stop()

    return stopped


def cut(chain: Any, wallet: Wallet, value: int, seam: str) -> None:
    """Have ``chain`` stop at ``seam``."""
    if seam == "leased":
        wallet.habits[value] = stop
    elif seam == "signed":
        chain._journal.sign = stopping(chain._journal.sign, after=False)
    else:
        chain._outbox.post = stopping(chain._outbox.post, after=seam == "broadcast")


async def main(url: str, store: str, key: str, value: str, request_id: str, seam: str) -> None:
    """Execute it up to the seam."""
    page.ALIVE_FOR = 1.0  # type: ignore[misc]  # whoever comes next need not wait for long
    wallet = Wallet(LocalSigner.from_key(key))
    async with Chain.connect(url, signer=wallet, store=store, block_time=0.2) as chain:
        cut(chain, wallet, int(value), seam)
        await chain.execute(transfer(int(value)), request_id=request_id)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
