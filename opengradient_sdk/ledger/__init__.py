"""What happened: receipts."""

from __future__ import annotations

from .book import ReceiptBook
from .receipt import AuthorizationFacts, DataState, Receipt

__all__ = ["AuthorizationFacts", "DataState", "Receipt", "ReceiptBook"]
