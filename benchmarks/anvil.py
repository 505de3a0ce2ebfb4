"""A fresh anvil for each sender, with the contracts of the network where they are read."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from opengradient_sdk.devnet.anvil_path import find_anvil
from opengradient_sdk.devnet.contracts import genesis_alloc, to_geth_genesis
from opengradient_sdk.devnet.evm.anvil_process import AnvilProcess
from opengradient_sdk.types import Address

CHAIN_ID: Final = 31337
GAS_LIMIT: Final = 120_000_000
"""5,714 plain transfers a block: with anvil's 1,428 the chain would be measured, not the sender."""

_RICH: Final = 10**24
_BASE_FEE: Final = 10**9


@asynccontextmanager
async def running_anvil(sender: Address, *, mining: tuple[str, ...]) -> AsyncIterator[str]:
    """Run anvil, hand over its URL, and end it; ``mining`` are its own options of when to mine.

    ``sender`` has all the ether and OPG anybody needs.
    """
    program = find_anvil()
    if program is None:
        sys.exit("the anvil program is not there: run `make anvil`")
    with _genesis_file(sender) as genesis:
        process = await AnvilProcess.spawn(
            program,
            *("--init", str(genesis)),
            *("--chain-id", str(CHAIN_ID)),
            *("--gas-limit", str(GAS_LIMIT)),
            *("--host", "127.0.0.1", "--port", "0", "--accounts", "0"),
            "--no-request-size-limit",
            *mining,
        )
        try:
            yield process.url
        finally:
            await process.stop()


@contextmanager
def _genesis_file(sender: Address) -> Iterator[Path]:
    now = int(time.time())
    genesis = to_geth_genesis(
        genesis_alloc(
            admin=sender,
            opg_balances={sender: _RICH},
            eth_balances={sender: _RICH},
            timestamp=now,
        ),
        chain_id=CHAIN_ID,
        timestamp=now,
        gas_limit=GAS_LIMIT,
        base_fee=_BASE_FEE,
    )
    with tempfile.TemporaryDirectory(prefix="opengradient-bench-") as folder:
        path = Path(folder) / "genesis.json"
        path.write_text(json.dumps(genesis), encoding="utf-8")
        yield path
