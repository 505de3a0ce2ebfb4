"""The books of a Devnet: what every payer authorized, was served, and has paid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from ..types import Address
from .facilitator import Records
from .facilitator.records import SettledPermit, VerifiedPermit
from .node import Node, Session, SessionState

_UNSETTLED = (SessionState.OPEN, SessionState.SETTLING)


@dataclass(frozen=True, slots=True)
class PayerBook:
    """One payer's account, in atoms of OPG.

    Attributes:
        authorized: The sum of the caps of all payments that the facilitator found good.
        served: The sum of what the nodes count for their answers.
        settled: What moved on chain.
        open: What was served on sessions that are still to be settled.
        forgotten: What was served on sessions that a node has forgotten: nobody will ask for it.
        nonces: The nonce of every payment that was found good, in the order of the first time.
        most_open: How many of them could be charged at the same time, at most: from the first
            check until the settlement, or without one until the deadline.
        calls: How many answers the nodes gave that cost something, or would have under a larger
            cap.
    """

    payer: Address
    authorized: int
    served: int
    settled: int
    open: int
    forgotten: int = 0
    nonces: tuple[int, ...] = ()
    most_open: int = 0
    calls: int = 0

    @property
    def balanced(self) -> bool:
        """Whether all that was served is paid, open or forgotten, and within what was signed."""
        owed = self.settled + self.open
        return self.served == owed + self.forgotten and owed <= self.authorized


class Books(Mapping[Address, PayerBook]):
    """The accounts of all payers at one moment, by payer."""

    def __init__(self, records: Records, nodes: Iterable[Node]) -> None:
        pages: defaultdict[Address, _Page] = defaultdict(_Page)
        for good in records.verified:
            pages[good.payer].verified.append(good)
        for paid in records.settled:
            pages[paid.payer].settled.append(paid)
        for node in nodes:
            for session in node.sessions:
                pages[Address(session.payer)].sessions.append(session)
        self._books = {payer: pages[payer].closed(payer) for payer in sorted(pages)}

    @property
    def balanced(self) -> bool:
        """Whether every payer's account is."""
        return all(book.balanced for book in self._books.values())

    def __getitem__(self, payer: Address) -> PayerBook:
        return self._books[payer]

    def __iter__(self) -> Iterator[Address]:
        return iter(self._books)

    def __len__(self) -> int:
        return len(self._books)

    def __repr__(self) -> str:
        return f"Books({list(self._books.values())})"


@dataclass(slots=True)
class _Page:
    """What is known of one payer."""

    verified: list[VerifiedPermit] = field(default_factory=list[VerifiedPermit])
    settled: list[SettledPermit] = field(default_factory=list[SettledPermit])
    sessions: list[Session] = field(default_factory=list[Session])

    def closed(self, payer: Address) -> PayerBook:
        """Return the sums."""
        return PayerBook(
            payer=payer,
            authorized=sum(permit.cap for permit in self.verified),
            served=self._cost(*SessionState),
            settled=sum(permit.amount for permit in self.settled),
            open=self._cost(*_UNSETTLED),
            forgotten=self._cost(SessionState.FORGOTTEN),
            nonces=tuple(permit.nonce for permit in self.verified),
            most_open=self._most_open(),
            calls=sum(session.billed + session.unbilled for session in self.sessions),
        )

    def _cost(self, *states: SessionState) -> int:
        return sum(session.cost for session in self.sessions if session.state in states)

    def _most_open(self) -> int:
        """Count how many permits overlap; one that ends when another begins does not."""
        ends = {permit.nonce: permit.at for permit in self.settled}
        steps = [(permit.at, +1) for permit in self.verified]
        steps += [(ends.get(permit.nonce, permit.deadline), -1) for permit in self.verified]
        return max(accumulate(change for _, change in sorted(steps)), default=0)
