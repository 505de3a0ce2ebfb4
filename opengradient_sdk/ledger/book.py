"""The newest receipts of a client, alive: with the authorizations that they joined."""

from __future__ import annotations

from typing import Final

from .receipt import Receipt

CAPACITY: Final = 1_000


class ReceiptBook:
    """Receipts by id, as they were last seen; the ledger has them all.

    At most 1,000 are kept, as they hold question and answer; the oldest go first.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._receipts: dict[str, Receipt] = {}
        self._capacity = capacity

    def add(self, receipt: Receipt) -> None:
        """Keep a receipt, in the place of an older one of the same id."""
        self._receipts[receipt.id] = receipt
        if len(self._receipts) > self._capacity:
            del self._receipts[next(iter(self._receipts))]

    def find(self, receipt_id: str) -> Receipt | None:
        """Return the receipt of that id, if it is here."""
        return self._receipts.get(receipt_id)

    def discard(self, receipt_id: str) -> None:
        """Keep a receipt no longer."""
        self._receipts.pop(receipt_id, None)
