"""The plot: version A answers, B replaces it, agents act on B's answers, B is revoked, A returns.

The book that is kept here knows nothing of the SDK's ledger: which build ran when a question was
asked, what it was made from and which authorization was signed for it are the test's own words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from opengradient_sdk import Devnet

A, B = "devnet-1", "devnet-2"


class Teller(Protocol):
    """A scribe, here or elsewhere."""

    async def tell(self, order: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True)
class Ask:
    """A question. ``parents`` are names of others; ``None`` leaves them to the chain of its run."""

    name: str
    parents: tuple[str, ...] | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the test itself knows of an answer."""

    name: str
    build: str
    parents: frozenset[str]
    tag: str | None
    run: str | None
    id: str
    nonce: str
    owner: str


@dataclass
class Book:
    """Every answer by its name, and what follows from that by the definition of an impact."""

    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])

    def ids(self, *names: str) -> set[str]:
        return {self.answers[name].id for name in names}

    def of(self, build: str) -> set[str]:
        """Return the names of what a build has answered."""
        return {name for name, answer in self.answers.items() if answer.build == build}

    def downstream(self, build: str) -> set[str]:
        """Return the names of what rests on that, but was answered by another build."""
        reached = self.of(build)
        while more := {
            name
            for name, answer in self.answers.items()
            if name not in reached and answer.parents & reached
        }:
            reached |= more
        return reached - self.of(build)

    def untouched(self, build: str) -> set[str]:
        return self.answers.keys() - self.of(build) - self.downstream(build)

    def impact(self, build: str) -> dict[str, Any]:
        """Return what an impact of that build has to name."""
        outputs, downstream = self.of(build), self.downstream(build)
        touched = [self.answers[name] for name in outputs | downstream]
        return {
            "outputs": sorted(self.ids(*outputs)),
            "downstream": sorted(self.ids(*downstream)),
            "payments": sorted(map(list, {(each.owner.lower(), each.nonce) for each in touched})),
            "runs": self._marks("run", outputs, downstream),
            "tags": self._marks("tag", outputs, downstream),
            "missing": [],
            "uncertain": [],
        }

    def _marks(self, kind: str, outputs: set[str], downstream: set[str]) -> list[list[Any]]:
        def count(mark: str, names: set[str]) -> int:
            return sum(getattr(self.answers[name], kind) == mark for name in names)

        marks = {getattr(self.answers[name], kind) for name in outputs | downstream} - {None}
        return [[mark, count(mark, outputs), count(mark, downstream)] for mark in sorted(marks)]


@dataclass
class Story:
    """A network, those who ask, the book, and when what was in force."""

    net: Devnet
    one: Teller
    other: Teller
    book: Book = field(default_factory=Book)
    times: dict[str, float] = field(default_factory=dict[str, float])

    async def told(self) -> Story:
        """Let everything happen."""
        await self.a_answers()
        await self.b_replaces_it()
        await self.a_payment_is_made()
        await self.agents_act_on_it()
        await self.b_is_revoked()
        await self.a_returns()
        await self.agents_go_on()
        return self

    async def a_answers(self) -> None:
        await self.passage(self.one, Ask("plain"), Ask("plan", tag="plan"))
        await self.passage(self.other, Ask("facts", tag="facts"), run="survey")
        self.times["A"] = await self.moment()

    async def b_replaces_it(self) -> None:
        await self.net.approve_build(B)
        await self.net.upgrade(self.net.nodes[0], B)
        await self._look()
        await self.passage(
            self.one,
            Ask("price", tag="price"),
            Ask("price from the plan", ("plan",), tag="price"),
            run="pricing",
        )

    async def a_payment_is_made(self) -> None:
        """The chain charges B's first session, as agents go on to rest on its answers."""
        await self.net.advance(130)
        await self.one.tell({"do": "settle", "id": self.book.answers["price"].id})

    async def agents_act_on_it(self) -> None:
        """B answers what is made from B's answers, here and in another client."""
        await self.passage(self.one, Ask("order", ("price",), tag="order"))
        await self.passage(self.other, Ask("check of the order", ("order", "facts")), run="audit")
        self.times["B"] = await self.moment()
        await self._look()  # so that order, and no clock, puts these answers before what follows

    async def b_is_revoked(self) -> None:
        await self._look()
        await self.net.revoke_build(B)
        self.times["nobody"] = await self.moment()

    async def a_returns(self) -> None:
        await self.net.upgrade(self.net.nodes[0], A)
        await self._look()
        self.times["A again"] = await self.moment()

    async def agents_go_on(self) -> None:
        """A answers what is made from B's answers, and what is not."""
        await self.passage(
            self.one,
            Ask("left", ("price",)),
            Ask("fresh", tag="fresh"),  # of the same session, and touched by nothing
            Ask("right", ("price from the plan", "plan")),
            Ask("both", ("left", "right"), tag="report"),  # a diamond
            run="pricing",
        )
        await self.passage(
            self.other,
            Ask("summary", ("both",), tag="report"),
            Ask("mail"),
            Ask("reminder"),
            run="mailing",
            chain=True,
        )
        await self.passage(self.other, Ask("new facts", ("facts",), tag="facts"), run="survey")
        # and both at the same time
        await asyncio.gather(
            self.passage(
                self.one, *(Ask(f"bill {n}", ("order",)) for n in range(3)), run="billing"
            ),
            self.passage(self.other, *(Ask(f"note {n}", ("facts",)) for n in range(3))),
        )

    async def passage(
        self, teller: Teller, *asks: Ask, run: str | None = None, chain: bool = False
    ) -> None:
        """Let questions be asked one after the other, and write them down."""
        known = {name: answer.id for name, answer in self.book.answers.items()}
        order = {"do": "passage", "run": run, "chain": chain, "known": known}
        build = self.net.nodes[0].build
        told = await teller.tell({**order, "asks": [vars(ask) for ask in asks]})
        earlier: list[str] = []
        for ask, answer in zip(asks, told, strict=True):
            chained = chain and ask.parents is None
            parents = frozenset(earlier if chained else ask.parents or ())
            answer = Answer(ask.name, build, parents, ask.tag, **answer)
            self.book.answers[ask.name] = answer
            earlier.append(ask.name)

    async def moment(self) -> float:
        """Let a minute pass on chain, and return the middle of it."""
        await self.net.advance(60)
        return await head_time(self.net) - 30

    async def _look(self) -> None:
        for teller in (self.one, self.other):
            await teller.tell({"do": "look"})


async def head_time(net: Devnet) -> int:
    """Return the time of the newest block of the registry's chain."""
    block = await net.registry_chain.request("eth_getBlockByNumber", ["latest", False])
    return int(block["timestamp"], 16)
