"""What happened: receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .book import ReceiptBook
    from .receipt import AuthorizationFacts, DataState, Receipt

__all__ = ["AuthorizationFacts", "DataState", "Receipt", "ReceiptBook"]

__getattr__ = lazy_names(
    __name__,
    {
        "receipt": "AuthorizationFacts DataState Receipt",
        "book": "ReceiptBook",
    },
)
