"""What happened: receipts, and the ledger that keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .anchors import FileAnchor, WebhookAnchor, anchor_request, anchored_digest
    from .checking import check_ledger
    from .checkpoints import Checkpoint
    from .content import ContentMode
    from .data_status import DataProof, DataState, DataStatus
    from .facts import AttestedDocument, Content, RegistryFacts
    from .ledger import Ledger
    from .query import ReceiptQuery
    from .receipt import AuthorizationFacts, Receipt
    from .report import Finding, LedgerReport

__all__ = [
    "AttestedDocument",
    "AuthorizationFacts",
    "Checkpoint",
    "Content",
    "ContentMode",
    "DataProof",
    "DataState",
    "DataStatus",
    "FileAnchor",
    "Finding",
    "Ledger",
    "LedgerReport",
    "Receipt",
    "ReceiptQuery",
    "RegistryFacts",
    "WebhookAnchor",
    "anchor_request",
    "anchored_digest",
    "check_ledger",
]

__getattr__ = lazy_names(
    __name__,
    {
        "receipt": "AuthorizationFacts Receipt",
        "data_status": "DataProof DataState DataStatus",
        "facts": "AttestedDocument Content RegistryFacts",
        "content": "ContentMode",
        "ledger": "Ledger",
        "query": "ReceiptQuery",
        "checkpoints": "Checkpoint",
        "anchors": "FileAnchor WebhookAnchor anchor_request anchored_digest",
        "checking": "check_ledger",
        "report": "Finding LedgerReport",
    },
)
