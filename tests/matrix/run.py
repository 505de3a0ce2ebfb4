"""One run: what the customer does, what strikes it, and what is written down about both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.faults import FAULTS, Injected, inject
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, keccak256

from .cells import Cell
from .customer import Customer, Present, Setting, Wish
from .evidence import Evidence, read_journal
from .processes import Away, KilledError

WALLET: Final = 10 * 10**18
"""Atoms that every wallet has at first."""

_PATIENT: Final = 15.0
_BRIEF: Final = 1.5
_SILENT: Final = ("accept-then-time-out", "chain-unavailable")
"""Faults that a client only ends by giving up."""


def wishes_of(cell: Cell) -> dict[str, Wish]:
    """Return the calls of a run, by the caller's keys."""
    words = " ".join(f"{cell.name}#{index}" for index in range(cell.plan.words))
    brief = _BRIEF if cell.fault in _SILENT else _PATIENT
    return {
        "before": Wish("before", f"before {words}", stream=False, timeout=_PATIENT),
        "struck": Wish("struck", f"struck {words}", cell.stream, timeout=brief),
        "after": Wish("after", f"after {words}", cell.stream, timeout=_PATIENT),
    }


class Run:
    """A customer's life: honest days, the fault, perhaps a crash, honest days again."""

    def __init__(self, net: Devnet, cell: Cell, subject: str, folder: Path) -> None:
        self.cell = cell
        self._net = net
        self._plan = cell.plan
        key = keccak256(f"{subject}: {cell.name}".encode())
        self.address: Address = LocalSigner.from_key(key).address
        self.setting = Setting(
            subject=subject,
            key=key,
            profile=net.profile,
            store=folder / "store.sqlite",
            record=folder / "record.jsonl",
            budget=self._plan.total,
            named=self._plan.named,
        )
        self.customer: Customer | None = None
        self.evidence = Evidence(cell, wishes_of(cell), offset=0.0)

    async def live(self) -> None:
        """Go through all of it, up to the day on which the chain is asked."""
        self.setting.record.parent.mkdir()
        await self._net.fund(self.address, opg=WALLET, eth=10**18 if self._plan.gas else 0)
        self.customer = await self._arrive(away=self.cell.killed)
        if self.cell.session:
            await self._wish("before")
        async with self._struck(await self._chosen()):
            await self._in_the_storm()
            if self.cell.killed:
                await self._crash()
                if self._plan.again_under_fault:
                    await self._wish("struck")
            if FAULTS[self.cell.fault].where == "chain":
                await self._look()
        await self._afterwards()
        if not self._plan.stays_open:
            await self._leave()

    async def _in_the_storm(self) -> None:
        for _ in range(1 + self._plan.retries):
            try:
                answered = await self._wish("struck", armed=True)
            except KilledError:
                self.evidence.died = True
                return
            if answered:
                return

    async def _look(self) -> None:
        assert self.customer is not None
        await self.customer.look()
        self._look_at_the_journal()

    async def _crash(self) -> None:
        assert isinstance(self.customer, Away)
        if not self.evidence.died:
            await self.customer.kill()
        self._look_at_the_journal()
        self.customer = await self._arrive(away=True)

    async def _afterwards(self) -> None:
        """The network is honest again: what was asked for must be had, and stay the same."""
        await self._wish("struck")
        await self._wish("after")
        await self._wish("struck")

    async def settle(self) -> None:
        """The chain has spoken: have the client look, and note what it thinks."""
        if self.customer is None:
            self.customer = await self._arrive(away=False)
        self.evidence.standing = dict(await self.customer.settle())
        await self._leave()
        self._look_at_the_journal()

    async def abandon(self) -> None:
        """Leave nobody behind where a run did not come to its end."""
        if isinstance(self.customer, Away):
            await self.customer.kill()
        else:
            await self._leave()

    async def _arrive(self, *, away: bool) -> Customer:
        return await (Away if away else Present).come(self.setting)

    async def _leave(self) -> None:
        if self.customer is not None:
            customer, self.customer = self.customer, None
            await customer.leave()

    async def _wish(self, key: str, *, armed: bool = False) -> bool:
        """Make a call and say whether it was answered."""
        assert self.customer is not None
        crash = self._plan.crash if armed else None
        text = await self.customer.wish(self.evidence.wishes[key], crash)
        self._look_at_the_journal()
        return text is not None

    def _look_at_the_journal(self) -> None:
        """Note what the store says is exposed and spent at this moment."""
        self.evidence.journal = rows = read_journal(self.setting.store)
        self.evidence.exposures.append(sum(r.cap if r.open else r.charged for r in rows))

    async def _chosen(self) -> list[int]:
        """Return the nodes that are to misbehave: those that the next call may go to."""
        every = list(range(len(self._net.nodes)))
        if self._plan.everywhere:
            return every
        payer = self.address.lower()
        serving = [i for i in every if any(s.payer == payer for s in self._net.nodes[i].sessions)]
        if serving:
            return serving
        assert self.customer is not None
        before = [node.requests.total() for node in self._net.nodes]
        await self.customer.choose()
        after = [node.requests.total() for node in self._net.nodes]
        return [i for i in every if after[i] > before[i]] or every

    @asynccontextmanager
    async def _struck(self, nodes: list[int]) -> AsyncIterator[None]:
        plan = self._plan
        async with AsyncExitStack() as stack:
            struck: list[Injected] = [
                await stack.enter_async_context(
                    inject(self._net, self.cell.fault, node=node, seed=plan.seed, times=plan.times)
                )
                for node in (nodes[:1] if FAULTS[self.cell.fault].everywhere else nodes)
            ]
            yield
            self.evidence.hits = sum(one.hits for one in struck)
