"""Rows of a ledger, written by hand: what an impact reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opengradient_sdk._core.store import Db, Store
from opengradient_sdk.ledger import Receipt
from opengradient_sdk.ledger.entries import Head, Kind, body_of, encoded
from opengradient_sdk.ledger.impact import Impact, ImpactQuery, impact
from opengradient_sdk.ledger.receipt_json import payment_to_json, receipt_to_json
from opengradient_sdk.payments.status import PaymentStatus
from opengradient_sdk.types import Amount, Bytes32

from ...payments.makers import NOW, a_life
from ..receipts import a_receipt

A = Bytes32(b"\x0a" * 32)
B = Bytes32(b"\x0b" * 32)
WRITER = "writer_1"
AS_OF = NOW + 10_000
OF_B = ImpactQuery(pcr_hashes=frozenset({B}))


def answered(number: int, *parents: int, build: Bytes32 = A, **changes: Any) -> Receipt:
    """Receipt ``rcpt_<number>`` of a build, made from others; ``nonce`` names its session."""
    nonce = changes.pop("nonce", 1)
    return a_receipt(
        number,
        pcr_hash=build,
        parents=tuple(f"rcpt_{parent}" for parent in parents),
        life=a_life(nonce),
        **changes,
    )


def with_calls(receipt: Receipt, calls: int) -> Receipt:
    """The same receipt, of a session that has served so many calls."""
    return replace(receipt, authorization=replace(receipt.authorization, calls=calls))


@dataclass
class Writing:
    """Rows to be written together."""

    store: Store
    seq: int = 0
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    receipts: list[tuple[Any, ...]] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, *receipts: Receipt) -> None:
        """Note these receipts with their entries and edges."""
        for receipt in receipts:
            self.edges += [(parent, receipt.id) for parent in receipt.parents]
            self.entry("receipt", receipt.created_at, receipt.id, receipt_to_json(receipt))
            self.receipts.append(_row(receipt, self.seq))

    def paid(self, receipt: Receipt, status: PaymentStatus, *, at: float, calls: int = 1) -> None:
        """Note the chain's word on the authorization of this receipt."""
        facts: Any = receipt_to_json(with_calls(receipt, calls))["authorization"]
        subject = f"payment {facts['network']} {facts['owner']} {facts['nonce']}"
        self.entry(
            "payment", at, subject, {"authorization": facts, "payment": payment_to_json(status)}
        )

    def entry(self, kind: Kind, at: float, subject: str, data: Mapping[str, object]) -> None:
        """Note an entry."""
        self.seq += 1
        head = Head(WRITER, self.seq - 1, f"hash {self.seq - 1}")
        body = body_of(head, kind, float(at), subject, encoded(data))
        row = (WRITER, self.seq, f"hash {self.seq}", kind, at, subject, body)
        self.entries.append(row)

    async def write(self) -> None:
        """Write what was noted."""
        entries, receipts, edges = self.entries, self.receipts, self.edges
        self.entries, self.receipts, self.edges = [], [], []

        def work(db: Db) -> None:
            _insert(db, "ledger_entry", entries)
            _insert(db, "ledger_receipt", receipts)
            _insert(db, "ledger_parent", sorted(set(edges)))

        await self.store.run(work)


async def write(store: Store, *receipts: Receipt) -> None:
    """Write these receipts."""
    writing = Writing(store)
    writing.add(*receipts)
    await writing.write()


async def impact_of(store: Store, *receipts: Receipt, query: ImpactQuery = OF_B) -> Impact:
    """Write these receipts, and return what ``query`` touches."""
    await write(store, *receipts)
    return await impact(store, query, as_of=AS_OF)


def numbers(receipts: Iterable[Any]) -> list[int]:
    """The numbers of these receipts, in their order."""
    return [int(each.id.removeprefix("rcpt_")) for each in receipts]


def _row(receipt: Receipt, seq: int) -> tuple[Any, ...]:
    facts = receipt.authorization
    return (
        receipt.id,
        facts.owner,
        facts.network,
        WRITER,
        seq,
        receipt.created_at,
        receipt.route,
        receipt.model,
        receipt.tag,
        receipt.run,
        str(receipt.tee_id),
        str(receipt.pcr_hash),
        str(facts.nonce),
        None if receipt.cost is None else str(_atoms(receipt.cost)),
    )


def _atoms(amount: Amount) -> int:
    return amount.atoms


def _insert(db: Db, table: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        db.execute_many(f"INSERT INTO {table} VALUES ({marks})", rows)
