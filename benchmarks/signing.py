"""One EIP-1559 transfer, signed: ``python signing.py eth_account | ours``.

With ``ECC_BACKEND_CLASS`` in the environment eth_account uses the backend named there.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.sending import FEE, FRIEND, GAS, KEY, SENDER, TIP

_WARM_UP = 20
_SIGNATURES = 300


def _theirs() -> Callable[[int], Awaitable[object]]:
    from eth_account import Account

    account = Account.from_key(KEY)

    async def sign(nonce: int) -> object:
        return account.sign_transaction(
            {
                "type": 2,
                "chainId": 1,
                "nonce": nonce,
                "to": FRIEND,
                "value": 1,
                "gas": GAS,
                "maxFeePerGas": FEE,
                "maxPriorityFeePerGas": TIP,
            }
        )

    return sign


def _ours() -> Callable[[int], Awaitable[object]]:
    from opengradient_sdk.signers import LocalSigner
    from opengradient_sdk.types import Address, PreparedTx

    signer, sender, friend = LocalSigner(KEY), Address(SENDER), Address(FRIEND)

    async def sign(nonce: int) -> object:
        return await signer.sign_transaction(
            PreparedTx(
                chain_id=1,
                sender=sender,
                nonce=nonce,
                to=friend,
                data=b"",
                value=1,
                gas=GAS,
                max_fee_per_gas=FEE,
                max_priority_fee_per_gas=TIP,
            )
        )

    return sign


async def _median_milliseconds(sign: Callable[[int], Awaitable[object]]) -> float:
    samples: list[float] = []
    for nonce in range(_WARM_UP + _SIGNATURES):
        started = time.perf_counter()
        await sign(nonce)
        samples.append(time.perf_counter() - started)
    return statistics.median(samples[_WARM_UP:]) * 1e3


if __name__ == "__main__":
    signing = {"eth_account": _theirs, "ours": _ours}[sys.argv[1]]()
    print(json.dumps({"sign_tx_ms": asyncio.run(_median_milliseconds(signing))}))
