"""What an impact is: the outputs in question, what was made from them, and who paid for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from ...payments.status import PaymentState, PaymentStatus
from ...types import Address, Amount, Bytes32
from .query import ImpactQuery

if TYPE_CHECKING:
    from ..timeline.events import Place


@dataclass(frozen=True, slots=True)
class Touched:
    """A receipt that is in question, or that rests on one that is.

    ``at`` is Unix seconds of the client's clock. ``depth`` is 0 for an output in question, else
    the fewest steps that lead to it from one. ``via`` are those of its parents that are touched
    themselves. ``cost`` is computed, not charged.
    """

    id: str
    at: float
    model: str
    tag: str | None
    run: str | None
    tee_id: Bytes32
    pcr_hash: Bytes32
    owner: Address
    network: str
    nonce: int
    cost: Amount | None
    depth: int = 0
    via: tuple[str, ...] = ()

    @property
    def payment(self) -> tuple[str, Address, int]:
        """Network, owner and nonce: the authorization that it joined."""
        return self.network, self.owner, self.nonce


@dataclass(frozen=True, slots=True)
class Calls:
    """How many calls, what they cost together by our computation, and of how many that is unknown.

    **Money**: ``cost`` leaves out the ``unpriced`` ones; what was charged is the payments' matter.
    """

    count: int = 0
    cost: Amount = field(default_factory=lambda: Amount(0))
    unpriced: int = 0

    @classmethod
    def of(cls, touched: Iterable[Touched]) -> Calls:
        """Return the sum of these calls."""
        costs = [each.cost for each in touched]
        known = [cost.atoms for cost in costs if cost is not None]
        return cls(len(costs), Amount(sum(known)), len(costs) - len(known))

    def __str__(self) -> str:
        unknown = f" and {self.unpriced} of unknown cost" if self.unpriced else ""
        return f"{self.count} call{'' if self.count == 1 else 's'}, {self.cost}{unknown}"


@dataclass(frozen=True, slots=True)
class TouchedPayment:
    """An authorization that touched calls joined.

    **Money**: it pays for a whole session, also for calls that nothing of this concerns. Its
    charge is therefore not the price of ``outputs`` and ``downstream``, whose costs are computed.

    Attributes:
        network: The chain it pays on (CAIP-2).
        owner: Who pays.
        nonce: Its Permit2 nonce.
        recipient: Who is paid; ``None`` where the ledger does not say.
        cap: The most that it can be charged; ``None`` where the ledger does not say.
        status: The newest word of the chain that the ledger holds.
        session: Calls of the session, as its client had counted them at ``told_at``.
        outputs: Those of its calls that are in question.
        downstream: Those of its calls that rest on outputs in question.
        receipts: Receipts of the session that were in the ledger when the impact was asked for;
            ``None`` in an impact of more than 500 authorizations, where counting takes too long.
        told_at: When ``status`` and ``session`` were written, in Unix seconds of the client's
            clock; ``None`` where the ledger does not say.
    """

    network: str
    owner: Address
    nonce: int
    recipient: Address | None
    cap: Amount | None
    status: PaymentStatus | None
    session: int | None
    outputs: Calls
    downstream: Calls
    receipts: int | None = None
    told_at: float | None = None

    @property
    def charged(self) -> Amount | None:
        """What the whole session was charged, as far as the ledger knows."""
        if self.status is None:
            return None
        if self.status.state in (PaymentState.NOT_CHARGED, PaymentState.CANCELLED):
            return Amount(0)
        return self.status.amount

    @property
    def settled(self) -> bool:
        """Whether the chain has said what became of it."""
        return self.status is not None and self.status.state.resolved

    @property
    def others(self) -> int | None:
        """How many calls of the session are not touched; ``None`` where nobody has counted them.

        Of calls with a receipt that is exact when the impact was asked for, if ``receipts`` are
        counted. All others (no answer came, or it was refused) are counted as of ``told_at``.
        """
        counted = [count for count in (self.receipts, self.session) if count is not None]
        return max(0, max(counted) - self.touched) if counted else None

    @property
    def touched(self) -> int:
        """How many calls of the session are in question, or rest on outputs that are."""
        return self.outputs.count + self.downstream.count


@dataclass(frozen=True, slots=True)
class Mark:
    """A run or a tag, with how many of its receipts are touched."""

    name: str
    outputs: int
    downstream: int


@dataclass(frozen=True, slots=True, repr=False)
class Impact:
    """What the outputs in question touched, as far as the ledger knows.

    **Trust**: as good as the ledger's entries (check them first) and as complete as the parents
    that were declared: what was used without ``parents=`` or a chained run is not here.

    Attributes:
        query: What was asked.
        as_of: When, in Unix seconds of the client's clock.
        outputs: The outputs in question, oldest first.
        downstream: Everything that rests on one of them, nearest first, whoever paid for it.
        payments: The authorizations that those calls joined, each once.
        runs: The agent runs that they belong to; a run inside another counts for both.
        tags: Their tags.
        doubts: Why outputs are uncertain, by their ids: they were given so near to a change that
            only clocks tell on which side. A change is an end of the period that was asked for, or
            an approval or a revocation of their build.
        changes_known_to: The newest block of the registry's chain of which the changes are known
            that could make an output uncertain; ``None`` where no history was looked at.
        missing: Ids that are named as touched, but have no receipt in this ledger.
    """

    query: ImpactQuery
    as_of: float
    outputs: tuple[Touched, ...]
    downstream: tuple[Touched, ...]
    payments: tuple[TouchedPayment, ...]
    runs: tuple[Mark, ...]
    tags: tuple[Mark, ...]
    doubts: Mapping[str, str] = field(default_factory=dict[str, str])
    changes_known_to: Place | None = None
    missing: tuple[str, ...] = ()

    @property
    def touched(self) -> tuple[Touched, ...]:
        """Outputs and what is downstream of them."""
        return self.outputs + self.downstream

    @property
    def output_calls(self) -> Calls:
        """Number and computed cost of the outputs."""
        return Calls.of(self.outputs)

    @property
    def downstream_calls(self) -> Calls:
        """Number and computed cost of what is downstream."""
        return Calls.of(self.downstream)

    @property
    def output_payments(self) -> tuple[TouchedPayment, ...]:
        """The authorizations that paid for outputs; some for what is downstream, too."""
        return tuple(payment for payment in self.payments if payment.outputs.count)

    @property
    def downstream_payments(self) -> tuple[TouchedPayment, ...]:
        """The authorizations that paid for what is downstream; some for outputs, too."""
        return tuple(payment for payment in self.payments if payment.downstream.count)

    @property
    def charged(self) -> Amount:
        """What the sessions were charged together, as far as it is known: also for other calls."""
        known = (payment.charged for payment in self.payments)
        return reduce(Amount.__add__, (each for each in known if each is not None), Amount(0))

    @property
    def uncertain(self) -> tuple[str, ...]:
        """The ids of outputs of which only clocks tell on which side of a change they are."""
        return tuple(each.id for each in self.outputs if each.id in self.doubts)

    @property
    def only_through_doubt(self) -> frozenset[str]:
        """The ids of what is downstream of uncertain outputs only."""
        if not self.doubts:
            return frozenset()
        rest = {each.id for each in self.downstream}
        reached = {each.id for each in self.outputs if each.id not in self.doubts}
        children = families(self.touched)
        queue = list(reached)
        for parent in queue:  # it grows meanwhile
            for child in children.get(parent, ()):
                if child.id not in reached:
                    reached.add(child.id)
                    queue.append(child.id)
        return frozenset(rest - reached)

    def doubting(self, doubts: Mapping[str, str]) -> Impact:
        """Return the same impact with these doubts about its outputs.

        Raises:
            ConfigurationError: One of them is about no output of this impact.
        """
        if strangers := doubts.keys() - {output.id for output in self.outputs}:
            raise ConfigurationError(f"no output of this impact: {min(strangers)!r}")
        return replace(self, doubts=dict(doubts))

    def __str__(self) -> str:
        outputs = f"{self.output_calls}{_split(len(self.outputs), len(self.uncertain))}"
        thin = len(self.only_through_doubt)
        downstream = f"{self.downstream_calls}{_split(len(self.downstream), thin)}"
        return (
            f"{self.query}: {outputs}; downstream {downstream}; "
            f"{len(self.payments)} authorization{'' if len(self.payments) == 1 else 's'}"
        )

    def __repr__(self) -> str:
        return f"Impact({self})"


def _split(count: int, uncertain: int) -> str:
    return f" ({count - uncertain:,} certain, {uncertain:,} uncertain)" if uncertain else ""


def families(touched: Sequence[Touched]) -> dict[str, list[Touched]]:
    """Return the touched children of each receipt, oldest first."""
    children: dict[str, list[Touched]] = {}
    for each in sorted(touched, key=lambda each: (each.at, each.id)):
        for parent in each.via:
            children.setdefault(parent, []).append(each)
    return children
