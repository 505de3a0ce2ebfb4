"""The same runs with the published client ``opengradient``: what it pays, and what it gets for it.

``python -m tests.matrix.published`` prints its figures beside ours. It knows no idempotency key, no
store and no budget, so nothing of it is judged: an answer is asked for again until it is there.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.contracts import addresses, artifacts
from opengradient_sdk.devnet.facilitator.account import Account
from opengradient_sdk.devnet.facilitator.evm import Rpc
from opengradient_sdk.devnet.faults import FAULTS, inject
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import keccak256

from .cells import Cell, matrix
from .evidence import balance_of, network_of
from .lane import spares_the_others, time_passes
from .rules import Figures, Verdict
from .run import WALLET, wishes_of
from .running import LANES, run
from .table import as_markdown, opg
from .visitors import PYTHON, GoneError, Office, Visitor

HEADINGS: Final = (
    "fault",
    "runs",
    "calls asked",
    "payments, published",
    "ours",
    "charged, published",
    "ours",
    "billed, never handed over, published",
    "ours",
    "unanswered, published",
    "ours",
)
_LATEST_DEATH: Final = 0.4
_BATCH: Final = 30


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run cost, and what it brought. ``charged`` is in atoms of OPG."""

    asked: int
    answered: int
    payments: int
    billed: int
    charged: int

    @property
    def lost(self) -> int:
        """Answers that were billed and never handed over."""
        return max(0, self.billed - self.answered)


class Outing:
    """One run: the same calls, under the same fault."""

    def __init__(self, net: Devnet, office: Office, cell: Cell) -> None:
        self.cell = cell
        self._net = net
        self._office = office
        self._wishes = wishes_of(cell)
        self._key = keccak256(f"published: {cell.name}".encode())
        self._signer = LocalSigner.from_key(self._key)
        self._asked: set[str] = set()
        self._answered: set[str] = set()
        self._visitor: Visitor | None = None

    async def live(self) -> None:
        """Go through all of it."""
        net, address = self._net, self._signer.address
        await net.fund(address, opg=WALLET, eth=10**18)
        approve = artifacts.load("OPG").encode_call("approve", addresses.PERMIT2, WALLET)
        await Account(Rpc(net.chain), self._signer).execute(addresses.OPG, approve)
        self._visitor = await self._office.visitor(self._key)
        if self.cell.session:
            await self._wish("before")
        async with AsyncExitStack() as stack:
            plan = self.cell.plan
            everywhere = FAULTS[self.cell.fault].everywhere
            for node in range(1 if everywhere else len(net.nodes)):
                struck = inject(net, self.cell.fault, node=node, seed=plan.seed, times=plan.times)
                await stack.enter_async_context(struck)
            await self._in_the_storm()
        await self._until_answered("struck")
        await self._until_answered("after")
        await self._visitor.leave()

    async def _in_the_storm(self) -> None:
        plan = self.cell.plan
        if not self.cell.killed:
            await self._until_answered("struck", 1 + plan.retries)
            return
        assert self._visitor is not None
        dies_after = random.Random(plan.seed).uniform(0.0, _LATEST_DEATH)
        try:
            await self._wish("struck", dies_after=dies_after)
        except GoneError:
            pass  # as it was meant
        await self._visitor.leave()
        self._visitor = await self._office.visitor(self._key)
        if plan.again_under_fault:
            await self._wish("struck")

    async def _until_answered(self, key: str, attempts: int = 1) -> None:
        for _ in range(attempts):
            if key not in self._answered:
                await self._wish(key)

    async def _wish(self, key: str, *, dies_after: float | None = None) -> None:
        assert self._visitor is not None
        self._asked.add(key)
        if await self._visitor.wish(self._wishes[key], dies_after=dies_after) is not None:
            self._answered.add(key)

    async def bill(self) -> Bill:
        """Return what it came to, when the chain has spoken."""
        paid = WALLET - await balance_of(self._net, self._signer.address)
        network = network_of(self._net, self._signer.address, paid)
        return Bill(
            asked=len(self._asked),
            answered=len(self._answered),
            payments=len(network.verified),
            billed=network.billed,
            charged=network.charged,
        )


async def bills(cells: Sequence[Cell], lanes: int) -> dict[Cell, Bill]:
    """Run every cell with the published client."""
    with tempfile.TemporaryDirectory(prefix="opengradient-published-") as folder:
        async with asyncio.TaskGroup() as group:
            jobs = [
                group.create_task(_lane(cells[first::lanes], Path(folder) / str(first)))
                for first in range(min(lanes, len(cells)))
            ]
    return {cell: bill for job in jobs for cell, bill in job.result().items()}


async def _lane(cells: Sequence[Cell], folder: Path) -> dict[Cell, Bill]:
    folder.mkdir()  # noqa: ASYNC240 - once, before anything runs
    found: dict[Cell, Bill] = {}
    for start in range(0, len(cells), _BATCH):
        found |= await _batch(cells[start : start + _BATCH], folder / str(start))
    return found


async def _batch(cells: Sequence[Cell], door: Path) -> dict[Cell, Bill]:
    # on a Devnet of its own: the published client knows no clock but the machine's, and could not
    # pay any more where time has been moved forward
    async with (
        Devnet(chains=2, chain_id=8453, accounts=1, nodes=2) as net,
        Office.opened(net, door) as office,
    ):
        outings = [Outing(net, office, cell) for cell in sorted(cells, key=spares_the_others)]
        for outing in outings:
            await outing.live()
        await time_passes(net)
        return {outing.cell: await outing.bill() for outing in outings}


def comparison(theirs: Mapping[Cell, Bill], ours: Iterable[Verdict]) -> str:
    """Return one line for each fault: what the same calls cost either client, and brought it."""
    by_fault: dict[str, list[tuple[Bill, Figures]]] = defaultdict(list)
    for verdict in ours:
        by_fault[verdict.cell.fault].append((theirs[verdict.cell], verdict.figures))
    every = [pair for pairs in by_fault.values() for pair in pairs]
    rows = [_row(fault, pairs) for fault, pairs in (*by_fault.items(), ("**all**", every))]
    return as_markdown(HEADINGS, rows)


def _row(name: str, pairs: Sequence[tuple[Bill, Figures]]) -> tuple[str, ...]:
    bills, figures = zip(*pairs, strict=True)
    return (
        name,
        str(len(pairs)),
        str(sum(bill.asked for bill in bills)),
        str(sum(bill.payments for bill in bills)),
        str(sum(one.signed for one in figures)),
        opg(sum(bill.charged for bill in bills)),
        opg(sum(one.charged for one in figures)),
        str(sum(bill.lost for bill in bills)),
        str(sum(one.billed_twice for one in figures)),
        str(sum(bill.asked - bill.answered for bill in bills)),
        str(sum(one.given_up for one in figures)),
    )


def main() -> None:
    """Run both, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix.published", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs per situation")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="only this fault")
    parser.add_argument("--lanes", type=int, default=LANES, metavar="N")
    arguments = parser.parse_args()
    if not PYTHON.exists():
        sys.exit(f"{PYTHON} is not there: run `make interop`")
    cells = list(matrix(range(arguments.seeds), arguments.fault or tuple(FAULTS)))
    theirs = asyncio.run(bills(cells, arguments.lanes))
    ours = asyncio.run(run(cells, lanes=arguments.lanes))
    print(comparison(theirs, ours))


if __name__ == "__main__":
    main()
