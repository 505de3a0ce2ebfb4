"""Lines that wait to become entries, with the rows that go beside them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, cast

from .._core.store import Value
from ..payments.status import PaymentStatus
from ..types import Address
from ..verification import Evidence
from .content import ContentMode, with_commitment
from .entries import Kind, as_column, encoded, payment_subject, seconds
from .receipt import AuthorizationFacts, Receipt
from .receipt_json import (
    data_from_json,
    documents_of,
    payment_from_json,
)
from .text import payment_text, receipt_text

WRITER: Final = "INSERT INTO ledger_writer (id, owner, network, began_at) VALUES (?, ?, ?, ?)"
PARENT: Final = (
    "INSERT INTO ledger_parent (parent, child) VALUES (?, ?) ON CONFLICT (parent, child) DO NOTHING"
)
DOCUMENT: Final = (
    "INSERT INTO ledger_document (hash, body) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING"
)
# clients that sign the same heads in the same second make the same checkpoint, to the byte
CHECKPOINT: Final = (
    "INSERT INTO ledger_checkpoint (id, at, body) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
FORGET: Final = (
    "DELETE FROM ledger_content WHERE writer = (SELECT writer FROM ledger_receipt WHERE id = ?)"
    " AND seq = (SELECT seq FROM ledger_receipt WHERE id = ?)"
)

AMENDABLE: Final = frozenset(
    {"evidence", "data", "attested", "registered", "as_of", "uncovered", "resent", "maybe_billed"}
    | {"payment", "authorization"}
)
"""What of a receipt can become known later. Everything else is what it is looked for by."""

_FORMS: Final[Mapping[str, Callable[[Any], object]]] = MappingProxyType(
    {
        "evidence": Evidence.from_json,
        "data": data_from_json,
        "payment": payment_from_json,
        "as_of": lambda value: seconds(float(value)),
        "uncovered": tuple,
        "resent": int,
        "maybe_billed": int,
    }
)
_SIGNATURE_DOMAIN: Final = b"opengradient payment signature\0"
_MANY: Final = 10_000


@dataclass(frozen=True, slots=True)
class ReceiptRows:
    """What is written beside the entry of a receipt; ``row`` lacks writer and seq."""

    row: tuple[Value, ...]
    content: str | None = field(repr=False)
    signature: bytes | None = field(repr=False)
    payment: str


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What will be an entry. ``data`` is canonical JSON; ``effects`` are statements and rows."""

    kind: Kind
    at: float
    subject: str
    data: str = field(repr=False)
    receipt: ReceiptRows | None = None
    effects: tuple[tuple[str, tuple[Value, ...]], ...] = field(default=(), repr=False)


class Drafting:
    """Makes lines. What many receipts share is written beside the first one only."""

    def __init__(self, owner: Address, network: str, mode: ContentMode) -> None:
        self._owner = owner
        self._network = network
        self._mode: ContentMode = mode
        self._signatures: set[str] = set()
        self._documents: set[str] = set()

    def began(self, writer: str, at: float) -> Line:
        """Return the first line of a writer."""
        data = encoded({"owner": self._owner, "network": self._network})
        row = (writer, self._owner, self._network, at)
        return Line("began", seconds(at), writer, data, effects=((WRITER, row),))

    def receipt(self, receipt: Receipt, at: float) -> Line:
        """Return the line of a receipt."""
        content, commitment = with_commitment(receipt, self._mode)
        payment = payment_subject(receipt.authorization)
        signature = self._new_signature(receipt, payment)
        brought = None if signature is None else signature_hash(signature)
        effects = [
            (PARENT, (as_column(parent), as_column(receipt.id))) for parent in receipt.parents
        ]
        return Line(
            "receipt",
            seconds(at),
            receipt.id,
            receipt_text(receipt, commitment, brought),
            ReceiptRows(_row(receipt), content, signature, payment),
            (*effects, *self._new_documents(documents_of(receipt))),
        )

    def amended(
        self,
        receipt_id: str,
        changes: Mapping[str, object],
        documents: Mapping[str, bytes],
        at: float,
    ) -> Line:
        """Return the line of what has become known of a receipt.

        Raises:
            ValueError: A member that cannot change, or not of the form that receipts have it in.
        """
        _check_changes(changes)
        return Line(
            "amended",
            seconds(at),
            receipt_id,
            encoded(changes),
            effects=self._new_documents(documents),
        )

    def payment(self, facts: AuthorizationFacts, status: PaymentStatus, at: float) -> Line:
        """Return the line of the chain's word on an authorization."""
        return Line("payment", seconds(at), payment_subject(facts), payment_text(facts, status))

    def _new_signature(self, receipt: Receipt, payment: str) -> bytes | None:
        if payment in self._signatures or receipt.life is None:
            return None
        signature = receipt.life.authorization.signature
        _remember(self._signatures, payment)
        return signature or None

    def _new_documents(
        self, documents: Mapping[str, bytes]
    ) -> tuple[tuple[str, tuple[Value, ...]], ...]:
        new = {name: body for name, body in documents.items() if name not in self._documents}
        for name in new:
            _remember(self._documents, name)
        return tuple((DOCUMENT, (name, b64encode(body).decode())) for name, body in new.items())


def documents_in(lines: Iterable[Line]) -> dict[str, bytes]:
    """Return the documents that come with lines which are not written yet."""
    rows = (values for line in lines for statement, values in line.effects if statement is DOCUMENT)
    return {str(name): b64decode(str(body)) for name, body in rows}


def row_of(members: Mapping[str, Any]) -> tuple[Value, ...]:
    """Return what a receipt is looked for by, from its members: its row without writer and seq."""
    facts = members["authorization"]
    return (
        as_column(members["id"]),
        facts["owner"],
        facts["network"],
        members["created_at"],
        as_column(members["route"]),
        as_column(members["model"]),
        _optional_column(members["tag"]),
        _optional_column(members["run"]),
        members["tee_id"],
        members["pcr_hash"],
        facts["nonce"],
        members["cost"],
    )


def _row(receipt: Receipt) -> tuple[Value, ...]:
    facts = receipt.authorization
    return row_of(
        {
            "id": receipt.id,
            "authorization": {
                "owner": facts.owner,
                "network": facts.network,
                "nonce": str(facts.nonce),
            },
            "created_at": float(receipt.created_at),
            "route": receipt.route,
            "model": receipt.model,
            "tag": receipt.tag,
            "run": receipt.run,
            "tee_id": str(receipt.tee_id),
            "pcr_hash": str(receipt.pcr_hash),
            "cost": None if receipt.cost is None else str(receipt.cost.atoms),
        }
    )


def signature_hash(signature: bytes) -> str:
    """Return what an entry says of a payment signature: enough to know it again, no more."""
    return sha256(_SIGNATURE_DOMAIN + signature).hexdigest()


def _optional_column(text: str | None) -> str | None:
    return None if text is None else as_column(text)


def _check_changes(changes: Mapping[str, object]) -> None:
    if unknown := changes.keys() - AMENDABLE:
        raise ValueError(f"these of a receipt never change: {', '.join(sorted(unknown))}")
    try:
        for name, value in changes.items():
            if name in _FORMS:
                _FORMS[name](cast(Any, value))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not what a receipt says of itself: {error}") from error


def _remember(known: set[str], name: str) -> None:
    if len(known) >= _MANY:
        known.clear()  # what is written again does no harm
    known.add(name)
