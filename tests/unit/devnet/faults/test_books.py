"""The books of a payer count what was open at the same time, and what nobody will ask for."""

from __future__ import annotations

import pytest

from opengradient_sdk.devnet import Books
from opengradient_sdk.devnet.facilitator.records import Records, SettledPermit, VerifiedPermit
from opengradient_sdk.devnet.node.sessions import Permit, Session, SessionBook, SessionState
from opengradient_sdk.types import Address, Bytes32

PAYER = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
OTHER = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
CAP = 100
LIFE = 300


class NodeWithSessions:
    """A double: of a node only its sessions are asked for."""

    def __init__(self) -> None:
        self.book = SessionBook()

    @property
    def sessions(self) -> tuple[Session, ...]:
        return self.book.every

    def serve(self, nonce: int, *costs: int, payer: Address = PAYER) -> Session:
        permit = Permit(payer.lower(), nonce)
        session = self.book.open(permit, {}, {"amount": str(CAP)}, "/", 0.0)
        for cost in costs:
            session.charge(cost)
        return session


def verified(records: Records, nonce: int, at: float, payer: Address = PAYER) -> None:
    deadline = int(at) + LIFE
    records.add_verified(VerifiedPermit("eip155:1", payer, nonce, CAP, OTHER, OTHER, deadline, at))


def settled(records: Records, nonce: int, amount: int, at: float) -> None:
    transaction = Bytes32(bytes(32))
    records.add_settled(
        SettledPermit("eip155:1", PAYER, nonce, amount, OTHER, OTHER, transaction, 1, 1, at)
    )


@pytest.mark.parametrize(
    ("checks", "settlements", "most"),
    [
        ([], {}, 0),
        ([0], {}, 1),
        ([0, 10, 20], {}, 3),
        ([0, 10, 20], {0: 5, 1: 15}, 1),
        ([0, 10], {0: 10}, 1),
        ([0, LIFE], {}, 1),
        ([0, LIFE - 1], {}, 2),
    ],
)
def test_how_many_permits_were_open_at_once(checks, settlements, most):
    records, node = Records(), NodeWithSessions()
    for nonce, at in enumerate(checks):
        verified(records, nonce, at)
        node.serve(nonce)
    for nonce, at in settlements.items():
        settled(records, nonce, 0, at)
    books = Books(records, [node])
    assert (books[PAYER].most_open if checks else len(books)) == most
    assert not checks or books[PAYER].nonces == tuple(range(len(checks)))


def test_a_forgotten_session_is_served_and_never_paid():
    records, node = Records(), NodeWithSessions()
    verified(records, 1, 0.0)
    verified(records, 7, 0.0, OTHER)
    lost = node.serve(1, 30, 20)
    node.book.forget()
    again = node.serve(1, 60, 50)
    node.serve(7, 5, payer=OTHER)
    book = Books(records, [node])[PAYER]
    assert (lost.state, again.state) == (SessionState.FORGOTTEN, SessionState.OPEN)
    assert node.book.find(lost.id) is None
    assert (book.served, book.forgotten, book.open, book.settled) == (110, 50, 60, 0)
    assert (book.calls, book.balanced) == (4, True)


def test_more_than_was_signed_is_out_of_balance():
    records, node = Records(), NodeWithSessions()
    verified(records, 1, 0.0)
    node.book.settled(node.serve(1, 40), "job")
    settled(records, 1, 41, 9.0)
    books = Books(records, [node])
    assert not books[PAYER].balanced
    assert not books.balanced
    assert list(books) == [PAYER]
    assert "settled=41" in repr(books)
