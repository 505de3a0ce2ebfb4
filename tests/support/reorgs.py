"""A hundred transactions that have been mined, and a chain that takes the blocks back.

    report = await run_reorg(store)
    assert not report.complaints(), report

Every block is mined by the scenario itself, and none before the SDK has looked at the one before:
what it calls deep enough too early shows, without any clock.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from opengradient_sdk.chain import Chain
from opengradient_sdk.errors import OpenGradientError
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import TxReceipt, TxRequest

from .faulty_rpc import FaultyRpc
from .sender import FRIEND, GAS
from .stress import KEY, SENDER, running_anvil

REORG: Final = 3
"""How many blocks are taken back."""

_COUNT: Final = 100
_DEPTH: Final = 6
_BLOCK_TIME: Final = 0.2
_EXCHANGES_OF_A_LOOK: Final = 3
_LOOK_EVERY: Final = 0.01
_PATIENCE: Final = 120.0

Outcomes = list[TxReceipt | OpenGradientError]


@dataclass(slots=True)
class Report:
    """What became of the transactions; half waited for a depth, half for ``finalized``."""

    final_too_early: list[str] = field(default_factory=list)
    not_taken_back: int = 0
    """Transactions whose blocks the reorg did not remove: the scenario itself would be wrong."""
    outcomes: Outcomes = field(default_factory=Outcomes)
    canonical: Counter[int] = field(default_factory=Counter)
    """How often each value is in the chain at the end."""
    nonces: list[int] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    """Receipts of blocks that are not in the chain."""
    events: Counter[str] = field(default_factory=Counter)

    def complaints(self) -> list[str]:
        """Return what is not as promised."""
        wanted = range(1, _COUNT + 1)
        found: dict[str, Sequence[object]] = {
            "final too early": self.final_too_early,
            "errors": [each for each in self.outcomes if isinstance(each, OpenGradientError)],
            "not once in the chain": [each for each in wanted if self.canonical[each] != 1],
            "nonces": [] if self.nonces == list(range(len(self.nonces))) else self.nonces,
            "receipts of lost blocks": self.astray,
            "the reorg left": [self.not_taken_back] if self.not_taken_back else [],
            "outcomes": [] if len(self.outcomes) == _COUNT else [len(self.outcomes)],
        }
        return [f"{what}: {which}" for what, which in found.items() if which]


async def run_reorg(store: str | None = None) -> Report:
    """Let ``REORG`` blocks vanish under a hundred transactions, and report.

    Raises:
        TimeoutError: Something hangs; nothing is left running.
    """
    with tempfile.TemporaryDirectory(prefix="opengradient-reorg-") as folder:
        kept = store or str(Path(folder) / "journal.sqlite")
        async with asyncio.timeout(_PATIENCE):
            return await _run(kept)


async def _run(store: str) -> Report:
    report = Report()
    async with running_anvil() as anvil:
        await anvil.request("evm_setIntervalMining", [0])
        await anvil.request("evm_setAutomine", [False])
        async with (
            FaultyRpc(anvil.rpc_url) as proxy,
            Chain.connect(
                proxy.url,
                signer=LocalSigner.from_key(KEY),
                store=store,
                block_time=_BLOCK_TIME,
                on_event=lambda event: report.events.update([type(event).__name__]),
            ) as chain,
            asyncio.TaskGroup() as group,
        ):
            scene = _Scene(anvil, proxy)
            half = _COUNT // 2
            deep = group.create_task(_executed(chain, range(1, half + 1), _DEPTH))
            final = group.create_task(_executed(chain, range(half + 1, _COUNT + 1), "finalized"))
            await scene.pooled(_COUNT)
            for _ in range(REORG):
                await scene.mine(deep, final)
            scene.expect_undone(report, "before the reorg", deep, final)
            await anvil.request("anvil_reorg", [REORG, []])
            report.not_taken_back = await scene.mined()
            await scene.pooled(_COUNT)
            for depth in range(1, _DEPTH):
                await scene.mine(deep, final)
                scene.expect_undone(report, f"{depth} deep after the reorg", deep, final)
            while not (deep.done() and final.done()):
                finalized = await scene.number_of("finalized")
                first = await scene.first_of(half + 1)
                if finalized < first:
                    scene.expect_undone(report, f"final is {finalized}, not {first}", final)
                await scene.mine(deep, final)
            report.outcomes = deep.result() + final.result()
            await scene.read_chain(report)
    return report


async def _executed(chain: Chain, values: range, confirmations: Any) -> Outcomes:
    requests = [TxRequest(to=FRIEND, value=value, gas=GAS) for value in values]
    return await chain.execute_many(requests, confirmations=confirmations, timeout=_PATIENCE)


class _Scene:
    """The chain, block by block, and when the SDK has looked at it."""

    def __init__(self, anvil: Any, proxy: FaultyRpc) -> None:
        self._anvil = anvil
        self._proxy = proxy

    async def mine(self, *waiting: asyncio.Task[Outcomes]) -> None:
        """Mine one block, and return when the SDK has had a look at it, or need not any more."""
        await self._anvil.request("evm_mine")
        seen = self._proxy.exchanges

        async def looked() -> bool:
            return self._proxy.exchanges >= seen + _EXCHANGES_OF_A_LOOK or all(
                task.done() for task in waiting
            )

        await _until(looked)

    async def pooled(self, count: int) -> None:
        """Return when so many transactions wait in the node's pool."""

        async def there() -> bool:
            return int((await self._anvil.request("txpool_status"))["pending"], 16) >= count

        await _until(there)

    async def mined(self) -> int:
        """Return how many transactions of the account are in the chain."""
        return int(await self._anvil.request("eth_getTransactionCount", [SENDER, "latest"]), 16)

    async def number_of(self, tag: str) -> int:
        """Return the number of the block that a tag names."""
        block = await self._anvil.request("eth_getBlockByNumber", [tag, False])
        return int(block["number"], 16)

    async def first_of(self, value: int) -> int:
        """Return the number of the block that holds the transaction of ``value``."""
        for block in await self._blocks():
            if any(int(tx["value"], 16) == value for tx in block["transactions"]):
                return int(block["number"], 16)
        raise AssertionError(f"{value} is in no block")

    def expect_undone(self, report: Report, when: str, *tasks: asyncio.Task[Outcomes]) -> None:
        """Note what has been reported although nothing is deep enough."""
        report.final_too_early += [when for task in tasks if task.done()]

    async def read_chain(self, report: Report) -> None:
        """Note what the chain holds at the end, and receipts that it does not know."""
        blocks = await self._blocks()
        transactions = [tx for block in blocks for tx in block["transactions"]]
        report.nonces = sorted(int(tx["nonce"], 16) for tx in transactions)
        report.canonical = Counter(int(tx["value"], 16) for tx in transactions)
        hashes = {block["hash"] for block in blocks}
        report.astray = [
            str(each.hash)
            for each in report.outcomes
            if isinstance(each, TxReceipt) and str(each.block_hash) not in hashes
        ]

    async def _blocks(self) -> list[Any]:
        return [
            await self._anvil.request("eth_getBlockByNumber", [hex(number), True])
            for number in range(1, await self.number_of("latest") + 1)
        ]


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when ``condition`` holds; neither node nor proxy has an event for it."""
    while True:
        if await condition():
            return
        await asyncio.sleep(_LOOK_EVERY)
