"""The books of a Devnet: what every payer authorized, was served, and has paid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..types import Address
from .facilitator import Records
from .node import Node, SessionState

_UNSETTLED = (SessionState.OPEN, SessionState.SETTLING)


@dataclass(frozen=True, slots=True)
class PayerBook:
    """One payer's account, in atoms of OPG.

    Attributes:
        authorized: The sum of the caps of all payments that the facilitator found good.
        served: The sum of what the nodes count for their answers.
        settled: What moved on chain.
        open: What was served on sessions that are still to be settled.
    """

    payer: Address
    authorized: int
    served: int
    settled: int
    open: int

    @property
    def balanced(self) -> bool:
        """Whether everything served is paid or still open, and nothing exceeds what was signed."""
        return self.served == self.settled + self.open and self.served <= self.authorized


class Books(Mapping[Address, PayerBook]):
    """The accounts of all payers at one moment, by payer."""

    def __init__(self, records: Records, nodes: Iterable[Node]) -> None:
        sessions = [session for node in nodes for session in node.sessions]
        payers = {entry.payer for entry in records.verified}
        payers |= {Address(session.payer) for session in sessions}
        self._books = {
            payer: PayerBook(
                payer=payer,
                authorized=sum(e.cap for e in records.verified if e.payer == payer),
                served=sum(s.cost for s in sessions if Address(s.payer) == payer),
                settled=sum(e.amount for e in records.settled if e.payer == payer),
                open=sum(
                    s.cost for s in sessions if Address(s.payer) == payer and s.state in _UNSETTLED
                ),
            )
            for payer in sorted(payers)
        }

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
