"""Several processes send from one account while the network misbehaves; then the chain is asked.

    report = await run_trial(Trial(processes=4, each=50, seed=7), store="…/journal.sqlite")
    assert not report.complaints(), report

What is reported was read from the chain itself, block by block and past the SDK. A trial that
fails is repeated with its ``seed``; the machine's own timing is not repeatable.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk.devnet.contracts import GenesisAccount
from opengradient_sdk.devnet.evm import Anvil
from opengradient_sdk.signers import LocalSigner

from .faulty_rpc import FaultyRpc, Trouble
from .sender import FRIEND, GAS, Orders

CHAIN_ID: Final = 31337
KEY: Final = f"0x{2024:064x}"
SENDER: Final = LocalSigner.from_key(KEY).address
EACH_FAULT: Final = 0.05
"""How often each kind of trouble hits."""

_RICH: Final = 10**24
_LOOK_EVERY: Final = 0.1
_CHILD: Final = Path(__file__).with_name("sender.py")


@dataclass(frozen=True, slots=True)
class Trial:
    """``processes`` of ``each`` transactions; with ``kill``, the first of them is killed once.

    ``per_block`` bounds the transactions of a block, so that there is a middle to be killed in.
    ``rpc_timeout`` (seconds) is the senders': with less, answers that come too late cost less time.
    ``patience`` is in seconds, for everything.
    """

    processes: int
    each: int
    seed: int
    ids: bool = False
    kill: bool = False
    per_block: int = 2_000
    rpc_timeout: float = 10.0
    patience: float = 600.0

    @property
    def wanted(self) -> range:
        """The intents, which are also the values of their transactions."""
        return range(1, self.processes * self.each + 1)


@dataclass(slots=True)
class Report:
    """What became of a trial."""

    trial: Trial
    nonces: list[int] = field(default_factory=list)
    mined: Counter[int] = field(default_factory=Counter)
    """How often each intent is in the chain."""
    failed: list[str] = field(default_factory=list)
    """Mined transactions that the EVM did not let succeed."""
    hashes: dict[int, str] = field(default_factory=dict)
    claimed: dict[int, str] = field(default_factory=dict)
    """Intents that a process had a receipt for, and its hash."""
    errors: dict[int, str] = field(default_factory=dict)
    """Intents that a process gave up."""
    asked_again: Counter[str] = field(default_factory=Counter)
    """Errors that said nothing was spent, after which a process made the request anew."""
    events: Counter[str] = field(default_factory=Counter)
    troubles: Counter[Trouble] = field(default_factory=Counter)
    exchanges: int = 0
    killed_with: int = 0
    """Intents of the killed process that were mined when it was killed."""
    seconds: float = 0.0

    @property
    def fillers(self) -> int:
        """Transactions that are no intent: they filled a gap."""
        return self.mined[0]

    def complaints(self) -> list[str]:
        """Return what is not as promised."""
        wanted = self.trial.wanted
        found = {
            "lost": [intent for intent in wanted if not self.mined[intent]],
            "twice": [intent for intent in wanted if self.mined[intent] > 1],
            "unknown": [value for value in self.mined if value and value not in wanted],
            "failed": self.failed,
            "unresolved": [intent for intent in wanted if intent not in self.claimed],
            "given up": list(self.errors.items()),
            "another hash": [
                intent for intent, said in self.claimed.items() if said != self.hashes.get(intent)
            ],
            "nonces": [] if self.nonces == list(range(len(self.nonces))) else self.nonces,
        }
        return [f"{what}: {_few(which)}" for what, which in found.items() if which]

    def __str__(self) -> str:
        """Say all there is to know in some lines."""
        troubles = ", ".join(f"{kind.value} {self.troubles[kind]}" for kind in Trouble)
        return "\n".join(
            [
                f"{self.trial}",
                f"{sum(self.mined[intent] > 0 for intent in self.trial.wanted)} of "
                f"{len(self.trial.wanted)} mined in {self.seconds:.0f} s, "
                f"{self.fillers} gaps filled, asked again {self.asked_again.total()} times, "
                f"killed when {self.killed_with} of its own were mined",
                f"{self.exchanges} exchanges: {troubles}",
                f"events: {dict(self.events)}",
                *(
                    f"asked again {times} times after {why}"
                    for why, times in self.asked_again.items()
                ),
                *self.complaints(),
            ]
        )


async def run_trial(trial: Trial, store: str) -> Report:
    """Run one trial on a chain of its own with ``store`` (a path or a URL), and report.

    Raises:
        TimeoutError: Something hangs; nothing is left running.
    """
    report, started = Report(trial), time.monotonic()
    async with asyncio.timeout(trial.patience), running_anvil(trial.per_block) as anvil:
        try:
            await _run(trial, store, anvil, report)
        finally:
            report.seconds = time.monotonic() - started
            await _read_chain(anvil, report)
            if sys.exc_info()[0] is not None:
                print(report, file=sys.stderr)
    return report


@asynccontextmanager
async def running_anvil(per_block: int = 2_000) -> AsyncIterator[Anvil]:
    """Run a chain on which ``SENDER`` is rich and a block is mined each second."""
    anvil = Anvil(
        chain_id=CHAIN_ID, alloc={SENDER: GenesisAccount(balance=_RICH)}, clock=SystemClock()
    )
    await anvil.start()
    try:
        await anvil.request("evm_setBlockGasLimit", [hex(per_block * GAS)])
        await anvil.request("evm_setIntervalMining", [1])
        yield anvil
    finally:
        await anvil.stop()


async def _run(trial: Trial, store: str, anvil: Anvil, report: Report) -> None:
    async with AsyncExitStack() as stack:
        proxies = [
            await stack.enter_async_context(
                FaultyRpc(
                    anvil.rpc_url,
                    rate=EACH_FAULT * len(Trouble),
                    seed=1_000 * trial.seed + number,
                )
            )
            for number in range(trial.processes)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for number, proxy in enumerate(proxies):
                    orders = Orders(
                        rpc_url=proxy.url,
                        chain_id=CHAIN_ID,
                        store=store,
                        key=KEY,
                        first=1 + number * trial.each,
                        count=trial.each,
                        ids=trial.ids,
                        rpc_timeout=trial.rpc_timeout,
                        timeout=trial.patience,
                    )
                    killed = trial.kill and number == 0
                    group.create_task((_killed_once if killed else _sent)(orders, anvil, report))
        finally:
            for proxy in proxies:
                report.troubles += proxy.counts
                report.exchanges += proxy.exchanges


async def _sent(orders: Orders, anvil: Anvil, report: Report) -> None:
    """Let one process carry out its orders."""
    async with _process(orders, report):
        pass


async def _killed_once(orders: Orders, anvil: Anvil, report: Report) -> None:
    """Kill a process when part of what it sends is mined, and start it again."""
    own = range(orders.first, orders.first + orders.count)
    async with _process(orders, report, dies=True) as process:
        report.killed_with = await _mined_while(process, anvil, own, orders.count // 4)
        if process.returncode is not None:
            raise RuntimeError("the process that was to be killed has ended by itself")
        process.kill()
    # what it had heard of is asked for again by the one that starts in its place
    for intent in own:
        report.claimed.pop(intent, None)
    await _sent(orders, anvil, report)


@asynccontextmanager
async def _process(
    orders: Orders, report: Report, *, dies: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run one process; the block ends with it, and it with the block that fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_CHILD), orders.as_json(), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_listen(process, report))
            yield process
        code = await process.wait()
        if code and not dies:
            report.errors[orders.first] = f"its process ended with {code}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _listen(process: asyncio.subprocess.Process, report: Report) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if not line.endswith(b"\n"):
            return  # killed in the middle of a word
        said: dict[str, Any] = json.loads(line)
        match said:
            case {"event": kind}:
                report.events[kind] += 1
            case {"intent": intent, "hash": found}:
                report.claimed[intent] = found
            case {"intent": intent, "error": why, "last": True}:
                report.errors[intent] = why
            case {"error": why}:
                report.asked_again[why] += 1
            case _:
                pass


async def _mined_while(
    process: asyncio.subprocess.Process, anvil: Anvil, intents: Iterable[int], enough: int
) -> int:
    """Return how many of ``intents`` are mined, once they are ``enough`` or the process ended."""
    wanted = set(intents)
    while True:
        mined = len(wanted & {int(tx["value"], 16) for tx in await _transactions(anvil)})
        if mined >= enough or process.returncode is not None:
            return mined
        await asyncio.sleep(_LOOK_EVERY)  # the chain has no event for this


async def _read_chain(anvil: Anvil, report: Report) -> None:
    transactions = await _transactions(anvil)
    report.nonces = sorted(int(tx["nonce"], 16) for tx in transactions)
    for tx in transactions:
        intent = int(tx["value"], 16) if tx["to"] == FRIEND.lower() else 0
        report.mined[intent] += 1
        report.hashes[intent] = tx["hash"]
        receipt: Any = await anvil.request("eth_getTransactionReceipt", [tx["hash"]])
        if receipt["status"] != "0x1":
            report.failed.append(tx["hash"])


async def _transactions(anvil: Anvil) -> list[dict[str, Any]]:
    """Return all transactions of the account that are in the chain now."""
    head = int(str(await anvil.request("eth_blockNumber")), 16)
    blocks: list[Any] = [
        await anvil.request("eth_getBlockByNumber", [hex(number), True])
        for number in range(1, head + 1)
    ]
    return [tx for block in blocks for tx in block["transactions"] if _is_ours(tx)]


def _is_ours(tx: dict[str, Any]) -> bool:
    return bool(tx["from"] == SENDER.lower())


def _few(which: list[Any]) -> str:
    shown = ", ".join(str(each) for each in which[:10])
    return f"{shown} … {len(which)} in all" if len(which) > 10 else shown
