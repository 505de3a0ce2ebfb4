"""This package under measurement: ``python ours.py construct | call | work``.

Only what a user's program would import is imported before a clock starts.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opengradient_sdk import AsyncOpenGradient

MODEL, QUESTION = "openai/gpt-5", "What does this cost?"


def construct() -> None:
    """Import and construct, and say how long it took."""
    started = time.perf_counter()
    from opengradient_sdk import AsyncOpenGradient

    AsyncOpenGradient()
    print(f'{{"construct_ms": {(time.perf_counter() - started) * 1e3}}}')


def own_store() -> str:
    """Return where a client keeps its journal that shares nothing with those before it.

    On one store it would go on with their session, and sign nothing.
    """
    import os
    import tempfile

    return os.path.join(tempfile.mkdtemp(dir=os.environ["OG_STATE_DIR"]), "store.sqlite")


def call() -> None:
    """Make one call, as a user's whole program would; then say what it loaded."""
    import asyncio

    from opengradient_sdk import AsyncOpenGradient

    async def main() -> None:
        async with AsyncOpenGradient(store=own_store()) as client:
            reply = await client.chat.create(model=MODEL, messages=QUESTION, max_tokens=50)
            assert reply.text
            assert reply.receipt.assurance.name == "REGISTERED"

    asyncio.run(main())
    loaded = [name for name in ("web3", "eth_account", "pydantic") if name in sys.modules]
    print(f'{{"loaded": "{" ".join(loaded)}"}}')


def work() -> None:
    """Go through the whole workload."""
    import asyncio
    import json

    from benchmarks import workload

    print(json.dumps(asyncio.run(workload.measure(_Adapted))))


class _Adapted:
    """``AsyncOpenGradient`` as the workload sees it."""

    def __init__(self) -> None:
        import asyncio

        from opengradient_sdk import AsyncOpenGradient

        self._client: AsyncOpenGradient = AsyncOpenGradient(store=own_store())
        self._opened = False
        self._opening = asyncio.Lock()

    async def call(self) -> None:
        if not self._opened:
            async with self._opening:
                if not self._opened:
                    await self._client.__aenter__()
                    self._opened = True
        reply = await self._client.chat.create(model=MODEL, messages=QUESTION, max_tokens=50)
        assert reply.receipt.assurance.name == "REGISTERED"

    async def close(self) -> None:
        await self._client.aclose()

    def signing(self, challenge: str) -> Callable[[], Awaitable[object]]:
        from opengradient_sdk.payments.challenge import PaymentRequired, parse_402
        from opengradient_sdk.payments.schemes import authorization_for, typed_data_for

        required = parse_402({"PAYMENT-REQUIRED": challenge}, b"{}")
        assert isinstance(required, PaymentRequired)
        offer, config = required.offers[0], self._client.config
        signer, profile = config.signer, config.profile

        async def sign() -> object:
            data = typed_data_for(
                offer, owner=signer.address, profile=profile, now=int(time.time())
            )
            signature = await signer.sign_typed_data(data)
            return authorization_for(
                offer, required, owner=signer.address, data=data, signature=signature
            )

        return sign


if __name__ == "__main__":
    {"construct": construct, "call": call, "work": work}[sys.argv[1]]()
