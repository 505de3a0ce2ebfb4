"""What happened: receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .book import ReceiptBook
    from .data_status import DataProof, DataState, DataStatus
    from .facts import AttestedDocument, Content, RegistryFacts
    from .receipt import AuthorizationFacts, Receipt

__all__ = [
    "AttestedDocument",
    "AuthorizationFacts",
    "Content",
    "DataProof",
    "DataState",
    "DataStatus",
    "Receipt",
    "ReceiptBook",
    "RegistryFacts",
]

__getattr__ = lazy_names(
    __name__,
    {
        "receipt": "AuthorizationFacts Receipt",
        "data_status": "DataProof DataState DataStatus",
        "facts": "AttestedDocument Content RegistryFacts",
        "book": "ReceiptBook",
    },
)
