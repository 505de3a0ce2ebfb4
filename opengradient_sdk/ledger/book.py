"""The receipts of a client, newest kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..errors import LedgerError
from .receipt import Receipt

CAPACITY: Final = 20_000


class ReceiptBook:
    """Receipts by id, in the order of their calls, for the life of the client.

    At most 20,000 are kept (some 50 MB); the oldest go first. Authorizations are not part of it:
    they are in the durable journal.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._receipts: dict[str, Receipt] = {}
        self._capacity = capacity

    def add(self, receipt: Receipt) -> None:
        """Keep a receipt, in the place of an older one of the same id."""
        self._receipts[receipt.id] = receipt
        if len(self._receipts) > self._capacity:
            del self._receipts[next(iter(self._receipts))]

    def get(self, receipt_id: str) -> Receipt:
        """Return the receipt of that id.

        Raises:
            LedgerError: There is none.
        """
        try:
            return self._receipts[receipt_id]
        except KeyError:
            raise LedgerError(
                f"no receipt {receipt_id!r}",
                hint="Receipts live as long as the client that made the call.",
            ) from None

    def select(
        self, *, since: float | None = None, model: str | None = None, tag: str | None = None
    ) -> Iterator[Receipt]:
        """Yield the receipts that match, oldest first; ``since`` is Unix seconds."""
        for receipt in self._receipts.values():
            if since is not None and receipt.created_at < since:
                continue
            if model is not None and receipt.model != model:
                continue
            if tag is not None and receipt.tag != tag:
                continue
            yield receipt
