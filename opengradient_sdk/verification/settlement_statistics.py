"""Which promises to settle hashes were kept, and which share of broken ones would have shown."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from ..types import Bytes32
from ._confidence import Sampled
from ._sampling import Stratum
from .policy import SettlementChoice

_COHORT: Final = 300
"""Seconds: promises that fall due in the same five minutes are counted together, so that a client
that runs for months keeps counts and no list."""


class PromiseState(Enum):
    """What is known of a promise to settle hashes.

    IGNORED: it was not drawn, and nobody looks. PENDING: nothing is known yet, or nothing sure.
    KEPT: the hashes are on chain. BROKEN: the time for it is over, and they surely are not.
    """

    IGNORED = "ignored"
    PENDING = "pending"
    KEPT = "kept"
    BROKEN = "broken"


@dataclass(slots=True, eq=False)
class Promise:
    """One promise, as a ``SettlementLog`` counts it."""

    tee_id: Bytes32
    chance: float
    cohort: int
    state: PromiseState


@dataclass(frozen=True, slots=True)
class SettlementStatistics(Sampled):
    """What became of promises to settle the hashes of answers.

    **Trust**: here a *false* answer is one whose node had promised to settle its hashes and did not
    do so in time. ``confidence``, ``smallest_noticed`` and ``conclusion`` are about the promises
    that were due by now: which of them were followed was drawn by lot, and no node can know it.
    Younger ones would bias them: kept promises show early, broken ones only when they are due.
    Those that are due and still unclear (an RPC endpoint that is away, a batch whose blob nobody
    hands out) may be the broken ones, so nothing is concluded while there are any.

    Attributes:
        promised: Answers whose hashes were promised to be settled.
        followed: Those of them that a policy wanted to see settled.
        settled: Those of ``followed`` that are on chain.
        pending: Those that are not yet.
        overdue: Those that were not in time.
        unclear: Those of ``pending`` whose time is over.
        strata: The promises that were due, by their chance of being followed.
        by_node: The same for each node; empty in the statistics of one node.
    """

    promised: int
    followed: int
    settled: int
    pending: int
    overdue: int
    unclear: int
    strata: tuple[Stratum, ...]
    by_node: Mapping[Bytes32, SettlementStatistics]

    @property
    def is_noticed(self) -> bool:
        """Whether a promise was broken."""
        return self.overdue > 0

    @property
    def is_evaded(self) -> bool:
        """Whether the time of a promise is over, and it is not clear whether it was kept."""
        return self.unclear > 0

    def explain(self) -> str:
        """Return plain sentences: which promises were kept, and what would have shown."""
        return "\n".join(self.sentences()) or "No answer came with a promise to settle its hashes."

    def sentences(self) -> Iterator[str]:
        """Yield plain sentences; none where nothing was promised."""
        if not self.promised:
            return
        yield (
            f"{self.promised} promises to settle hashes, {self.followed} followed: "
            f"{self.settled} settled, {self.pending} pending, {self.overdue} overdue."
        )
        for tee_id, node in sorted(self.by_node.items()):
            if node.overdue:
                yield f"Node {tee_id} did not settle {node.overdue} of {node.followed}."
        smallest = self.smallest_noticed()
        yield (
            "No share of broken promises would have been noticed with 95 % confidence."
            if smallest is None
            else f"Breaking {smallest:.2%} of them would have been noticed with 95 % confidence."
        )


NOTHING_FOLLOWED: Final = SettlementStatistics(
    promised=0,
    followed=0,
    settled=0,
    pending=0,
    overdue=0,
    unclear=0,
    strata=(),
    by_node=MappingProxyType({}),
)

_Kind: TypeAlias = tuple[float, int, PromiseState]


@dataclass(slots=True)
class SettlementLog:
    """Counts what becomes of promises; in memory, and of one event loop."""

    _nodes: dict[Bytes32, Counter[_Kind]] = field(
        default_factory=lambda: defaultdict[Bytes32, Counter[_Kind]](Counter)
    )

    def promised(self, tee_id: Bytes32, choice: SettlementChoice, due_at: float) -> Promise:
        """Count a promise that is due at ``due_at``, in Unix seconds of the client's clock."""
        state = PromiseState.PENDING if choice.follow else PromiseState.IGNORED
        promise = Promise(tee_id, choice.chance, math.ceil(due_at / _COHORT), state)
        self._nodes[tee_id][_kind_of(promise)] += 1
        return promise

    def found(self, promise: Promise, state: PromiseState) -> None:
        """Count a promise of this log as what has become of it; a reorg can take that back."""
        counts = self._nodes[promise.tee_id]
        counts[_kind_of(promise)] -= 1
        promise.state = state
        counts[_kind_of(promise)] += 1

    def statistics(self, now: float) -> SettlementStatistics:
        """Return the counts as they are ``now``, in Unix seconds of the client's clock."""
        all_of_them = Counter[_Kind]()
        for counts in self._nodes.values():
            all_of_them.update(counts)
        by_node = {tee_id: _statistics(counts, now) for tee_id, counts in self._nodes.items()}
        return _statistics(all_of_them, now, by_node)


def _kind_of(promise: Promise) -> _Kind:
    return promise.chance, promise.cohort, promise.state


def _statistics(
    counts: Counter[_Kind],
    now: float,
    by_node: Mapping[Bytes32, SettlementStatistics] = MappingProxyType({}),
) -> SettlementStatistics:
    ever, due = Counter[PromiseState](), Counter[tuple[float, PromiseState]]()
    for (chance, cohort, state), count in counts.items():
        ever[state] += count
        if cohort * _COHORT < now:
            due[chance, state] += count
    chances = sorted({chance for chance, _ in due})
    return SettlementStatistics(
        promised=ever.total(),
        followed=ever.total() - ever[PromiseState.IGNORED],
        settled=ever[PromiseState.KEPT],
        pending=ever[PromiseState.PENDING],
        overdue=ever[PromiseState.BROKEN],
        unclear=sum(due[chance, PromiseState.PENDING] for chance in chances),
        strata=tuple(_stratum(chance, due) for chance in chances),
        by_node=MappingProxyType(dict(by_node)),
    )


def _stratum(chance: float, due: Counter[tuple[float, PromiseState]]) -> Stratum:
    kept = due[chance, PromiseState.KEPT]
    return Stratum(
        chance,
        answers=sum(due[chance, state] for state in PromiseState),
        checked=kept + due[chance, PromiseState.BROKEN],
        proven=kept,
    )
