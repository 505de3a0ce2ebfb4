"""How much was verified, what failed, and which cheating would have been noticed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ..types import Bytes32
from ._confidence import Sampled
from ._sampling import Stratum
from .evidence import Assurance, Check, CheckStatus, Evidence
from .policy import Choice
from .settlement_statistics import NOTHING_FOLLOWED, SettlementStatistics

KEPT_FAILURES: Final = 100
"""How many failures are kept one by one; all are counted."""

_ATTESTATION: Final = "attestation"
_ABOUT_MONEY: Final = frozenset({"usage", "charge"})  # no word about whether the answer is true


@dataclass(frozen=True, slots=True)
class CheckTally:
    """How often a check ended how."""

    passed: int = 0
    failed: int = 0
    pending: int = 0
    not_checked: int = 0


@dataclass(frozen=True, slots=True)
class NodeTally:
    """What one node has answered.

    ``attested`` counts the answers whose attestation passed, drawn or not; ``failed`` those of
    which a check failed, and documents that proved nothing.
    """

    pcr_hash: Bytes32
    answers: int = 0
    attested: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that failed. ``receipt_id`` is ``None`` where it failed before anything was paid."""

    check: str
    reason: str
    tee_id: Bytes32
    receipt_id: str | None


@dataclass(frozen=True, slots=True)
class VerificationStatistics(Sampled):
    """What a client has verified since it was made.

    **Trust**: ``confidence``, ``smallest_noticed`` and ``conclusion`` are about one kind of
    cheating: answers by a key that is not in an enclave of an accepted build. They hold when a node
    cannot know beforehand which calls are drawn. A node does see that its document is asked for,
    before it is paid. It cannot pass with a false one, but it can stay silent, and answer when it
    is not drawn: while there are unproven answers of such a node, nothing is concluded. An answer
    is proven when its attestation passed, also by a document that an earlier call has asked for;
    only those that were drawn speak for the others.

    Attributes:
        answers: The answers that were paid for, accepted or not.
        by_assurance: How many reached each level, and not the next.
        by_check: How each check ended.
        strata: The answers by their chance of being drawn.
        failures: The latest failures.
        failed: All failures, those about money (``usage``, ``charge``) included.
        doubts: Those that are not about money.
        silent: Nodes that gave no document when they were drawn, have not proven themselves since,
            and have answered when they were not drawn.
        by_node: What each node has answered.
        settlement: What became of promises to settle hashes; for policies with ``Settled``.
    """

    answers: int
    by_assurance: Mapping[Assurance, int]
    by_check: Mapping[str, CheckTally]
    strata: tuple[Stratum, ...]
    failures: tuple[Failure, ...]
    failed: int
    doubts: int
    silent: frozenset[Bytes32]
    by_node: Mapping[Bytes32, NodeTally]
    settlement: SettlementStatistics = NOTHING_FOLLOWED

    @property
    def is_noticed(self) -> bool:
        """Whether a check of an answer failed that is not about money."""
        return self.doubts > 0

    @property
    def is_evaded(self) -> bool:
        """Whether a node was silent when it was drawn, and has unproven answers."""
        return bool(self.silent)

    def explain(self) -> str:
        """Return plain sentences: how much was verified, what failed, what would have shown."""
        levels = ", ".join(f"{self.by_assurance[one]} {one.name}" for one in Assurance)
        lines = [
            f"{self.answers} answers: {levels}.",
            f"{self.checked} were drawn and checked; {self.proven} are proven in all.",
            f"{self.failed} checks failed, {self.doubts} of them not about money.",
        ]
        lines += [f"  {one.check}: {one.reason} (node {one.tee_id})" for one in self.failures]
        lines += [f"Node {tee_id} gave no document when drawn." for tee_id in sorted(self.silent)]
        smallest = self.smallest_noticed()
        lines.append(
            "No rate of cheating would have been noticed with 95 % confidence."
            if smallest is None
            else f"Cheating in {smallest:.2%} of them would have been noticed with 95 % confidence."
        )
        return "\n".join([*lines, *self.settlement.sentences()])


@dataclass(slots=True)
class _NodeCounts:
    pcr_hash: Bytes32
    answers: int = 0
    attested: int = 0
    failed: int = 0


@dataclass(slots=True)
class _StratumCounts:
    answers: int = 0
    checked: int = 0
    proven: int = 0


@dataclass(slots=True)
class VerificationLog:
    """Counts what a client verifies; in memory, and of one event loop."""

    _answers: int = 0
    _levels: Counter[Assurance] = field(default_factory=Counter[Assurance])
    _checks: Counter[tuple[str, CheckStatus]] = field(
        default_factory=Counter[tuple[str, CheckStatus]]
    )
    _strata: dict[float, _StratumCounts] = field(default_factory=dict[float, _StratumCounts])
    _failures: deque[Failure] = field(default_factory=lambda: deque[Failure](maxlen=KEPT_FAILURES))
    _failed: int = 0
    _doubts: int = 0
    _silent: set[Bytes32] = field(default_factory=set[Bytes32])
    _nodes: dict[Bytes32, _NodeCounts] = field(default_factory=dict[Bytes32, _NodeCounts])

    def add(
        self,
        evidence: Evidence,
        *,
        choice: Choice,
        receipt_id: str,
        tee_id: Bytes32,
        pcr_hash: Bytes32,
    ) -> None:
        """Count an answer that was paid for, whether it was accepted or not."""
        attestation = evidence.get(_ATTESTATION)
        ended = None if attestation is None else attestation.status
        self._answers += 1
        self._levels[evidence.assurance] += 1
        for check in evidence.checks:
            self._checks[check.name, check.status] += 1
            if check.status is CheckStatus.FAILED:
                self._fail(check, tee_id, receipt_id)
        stratum = self._strata.setdefault(choice.chance, _StratumCounts())
        stratum.answers += 1
        stratum.checked += choice.attest and ended in (CheckStatus.PASSED, CheckStatus.FAILED)
        node = self._node(tee_id, pcr_hash)
        node.answers += 1
        if ended is CheckStatus.PASSED:
            stratum.proven += 1
            node.attested += 1
            self._silent.discard(tee_id)
        node.failed += bool(evidence.failed)

    def attestation_failed(self, tee_id: Bytes32, pcr_hash: Bytes32, reason: str) -> None:
        """Count a document that did not prove what it should, before anything was paid."""
        check = Check(_ATTESTATION, CheckStatus.FAILED, reason)
        self._checks[check.name, check.status] += 1
        self._fail(check, tee_id, None)
        self._node(tee_id, pcr_hash).failed += 1

    def attestation_missing(self, tee_id: Bytes32, choice: Choice) -> None:
        """Remember that a node gave no document when it was asked for one.

        A node that always has to prove itself gains nothing by silence, so that is not counted.
        """
        if choice.chance < 1:
            self._silent.add(tee_id)

    def statistics(self) -> VerificationStatistics:
        """Return the counts as they are now."""
        names = dict.fromkeys(name for name, _ in self._checks)
        return VerificationStatistics(
            answers=self._answers,
            by_assurance=MappingProxyType({level: self._levels[level] for level in Assurance}),
            by_check=MappingProxyType({name: self._tally(name) for name in names}),
            strata=tuple(
                Stratum(chance, counts.answers, counts.checked, counts.proven)
                for chance, counts in sorted(self._strata.items())
            ),
            failures=tuple(self._failures),
            failed=self._failed,
            doubts=self._doubts,
            silent=frozenset(tee_id for tee_id in self._silent if self._has_unproven(tee_id)),
            by_node=MappingProxyType(
                {
                    tee_id: NodeTally(node.pcr_hash, node.answers, node.attested, node.failed)
                    for tee_id, node in self._nodes.items()
                }
            ),
        )

    def _has_unproven(self, tee_id: Bytes32) -> bool:
        node = self._nodes.get(tee_id)
        return node is not None and node.attested < node.answers

    def _tally(self, name: str) -> CheckTally:
        counts = self._checks
        return CheckTally(
            passed=counts[name, CheckStatus.PASSED],
            failed=counts[name, CheckStatus.FAILED],
            pending=counts[name, CheckStatus.PENDING],
            not_checked=counts[name, CheckStatus.NOT_CHECKED],
        )

    def _node(self, tee_id: Bytes32, pcr_hash: Bytes32) -> _NodeCounts:
        return self._nodes.setdefault(tee_id, _NodeCounts(pcr_hash))

    def _fail(self, check: Check, tee_id: Bytes32, receipt_id: str | None) -> None:
        self._failed += 1
        self._doubts += check.name not in _ABOUT_MONEY
        self._failures.append(Failure(check.name, check.reason, tee_id, receipt_id))
