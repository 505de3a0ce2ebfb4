"""How much was verified, what failed, and which cheating would have been noticed."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from ..types import Bytes32
from ._sampling import Stratum, fewest_noticed, missed, noticed_in_the_long_run
from .evidence import Assurance, Check, CheckStatus, Evidence
from .policy import Choice

KEPT_FAILURES: Final = 100
"""How many failures are kept one by one; all are counted."""

_ATTESTATION: Final = "attestation"
_ABOUT_MONEY: Final = frozenset({"usage", "charge"})  # no word about whether the answer is true


class Conclusion(Enum):
    """What the checks say about cheating of at least a given rate."""

    NOTICED = "noticed"
    NONE_FOUND = "none found"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Confidence:
    """How likely cheating would have been noticed.

    Attributes:
        rate: The share of answers that are taken to be false.
        probability: How likely at least one of them would have been checked, if that share of
            *these* answers were false and spread so that they are hidden best (hypergeometric).
        long_run: How likely it would, if *every* answer, also those still to come, were false with
            that probability, whatever was asked: 1 - (1 - rate)^checked.
        false: That share as a number of answers, rounded up.
        checked: How many answers were checked because they were drawn.
        proven: How many answers are proven, drawn or not; they are none of the false ones.
        answers: How many there are.
    """

    rate: float
    probability: float
    long_run: float
    false: int
    checked: int
    proven: int
    answers: int


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
class VerificationStatistics:
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

    @property
    def checked(self) -> int:
        """How many answers were drawn and their node's attestation checked."""
        return sum(stratum.checked for stratum in self.strata)

    @property
    def proven(self) -> int:
        """How many answers are by a key whose attestation passed."""
        return sum(stratum.proven for stratum in self.strata)

    def confidence(self, rate: float) -> Confidence:
        """Return how likely it would have been noticed that this share of the answers is false.

        Raises:
            ValueError: ``rate`` is no share from 0 to 1.
        """
        _check_share("rate", rate)
        # a share is meant as it was written: floats make 7.000000000000001 of 0.07 * 100
        false = math.ceil(round(rate * self.answers, 6))
        return Confidence(
            rate=rate,
            probability=1 - missed(self.strata, false),
            long_run=noticed_in_the_long_run(self.checked, rate),
            false=false,
            checked=self.checked,
            proven=self.proven,
            answers=self.answers,
        )

    def smallest_noticed(self, confidence: float = 0.95) -> float | None:
        """Return the least share of false answers that would have been noticed with ``confidence``.

        ``None`` when even nothing but false answers could have been missed.

        Raises:
            ValueError: ``confidence`` is no share from 0 to 1, or 0.
        """
        _check_confidence(confidence)
        false = fewest_noticed(self.strata, confidence)
        return false / self.answers if false else None

    def conclusion(self, rate: float, *, confidence: float = 0.95) -> Conclusion:
        """Return whether at least this share of the answers is false, as far as that is known.

        NOTICED: at least one check of an answer failed. NONE_FOUND: none did, and with
        ``confidence`` one would have. INCONCLUSIVE: too little was checked, or a node is silent.

        Raises:
            ValueError: ``rate`` or ``confidence`` is no share from 0 to 1, or ``confidence`` is 0.
        """
        _check_confidence(confidence)
        found = self.confidence(rate)
        if self.doubts:
            return Conclusion.NOTICED
        if self.silent or found.probability < confidence:
            return Conclusion.INCONCLUSIVE
        return Conclusion.NONE_FOUND

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
        return "\n".join(lines)


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
        self._checks.update((check.name, check.status) for check in evidence.checks)
        stratum = self._strata.setdefault(choice.chance, _StratumCounts())
        stratum.answers += 1
        stratum.checked += choice.attest and ended in (CheckStatus.PASSED, CheckStatus.FAILED)
        node = self._node(tee_id, pcr_hash)
        node.answers += 1
        if ended is CheckStatus.PASSED:
            stratum.proven += 1
            node.attested += 1
            self._silent.discard(tee_id)
        for check in evidence.failed:
            self._fail(check, tee_id, receipt_id)
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


def _check_share(name: str, value: object) -> None:
    if isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1:
        return
    raise ValueError(f"{name} is {value!r}, and no share from 0 to 1")


def _check_confidence(confidence: object) -> None:
    _check_share("confidence", confidence)
    if not confidence:
        raise ValueError("confidence is 0: everything is noticed with that")
