"""The published client under measurement: ``python published.py construct | call | work``.

Run by an environment that holds ``opengradient==1.1.4`` and nothing of this package.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opengradient import LLM

MODEL, QUESTION = "openai/gpt-5", "What does this cost?"


def _llm() -> LLM:
    import opengradient

    # the constructor reads the registry
    return opengradient.LLM(
        os.environ["OG_PRIVATE_KEY"],
        rpc_url=os.environ["OG_RPC_URL"],
        tee_registry_address=os.environ["OG_TEE_REGISTRY"],
    )


async def _ask(llm: LLM) -> None:
    reply = await llm.chat(
        model=MODEL, messages=[{"role": "user", "content": QUESTION}], max_tokens=50
    )
    assert reply.chat_output["content"]


def construct() -> None:
    """Import and construct, and say how long it took."""
    started = time.perf_counter()
    _llm()
    print(f'{{"construct_ms": {(time.perf_counter() - started) * 1e3}}}')


def call() -> None:
    """Make one call, as a user's whole program would; then say what it loaded."""
    import asyncio

    async def main() -> None:
        llm = _llm()
        await _ask(llm)
        await llm.close()

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
    """``opengradient.LLM`` as the workload sees it."""

    def __init__(self) -> None:
        self._llm = _llm()

    async def call(self) -> None:
        await _ask(self._llm)

    async def close(self) -> None:
        await self._llm.close()

    def signing(self, challenge: str) -> Callable[[], Awaitable[object]]:
        from opengradient.client.llm import LLM
        from x402.http.x402_http_client import x402HTTPClient

        client = LLM._build_x402_client(  # noqa: SLF001 - the public interface signs only in calls
            os.environ["OG_PRIVATE_KEY"]
        )
        parsing = x402HTTPClient(client)
        required = parsing.get_payment_required_response({"PAYMENT-REQUIRED": challenge}.get, None)

        async def sign() -> object:
            payload = await client.create_payment_payload(required)
            return parsing.encode_payment_signature_header(payload)

        return sign


if __name__ == "__main__":
    {"construct": construct, "call": call, "work": work}[sys.argv[1]]()
