"""Chains: JSON-RPC, transactions from request to receipt, and what contracts say.

Nothing here imports web3 until ``Chain.web3`` is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .blocks import Block, BlockRef, BlockTag, Transaction
    from .draft import Draft
    from .fees import FAST, NORMAL, SLOW, FeeQuote, Fees, FeeStrategy, capped
    from .fillers import (
        Balance,
        ChainId,
        Filler,
        Funds,
        Gas,
        L1Fee,
        Together,
        recommended_fillers,
    )
    from .health import EndpointHealth
    from .logs import Cursor, LogFilter
    from .outbox.events import (
        ChainEvent,
        NonceBlocked,
        NonceGapFilled,
        NonceSuperseded,
        RepricingRefused,
        TransactionReorged,
        TransactionReplaced,
        TransactionResent,
        TransactionsTakenOver,
    )
    from .outbox.replacing import BumpPolicy
    from .outbox.slots import Slot, SlotState
    from .pending import Confirmations, PendingTx
    from .pipeline import Chain
    from .reverts import decode_revert, error_table
    from .rpc import Rpc
    from .watch import Watch, WatchedLog

__all__ = [
    "FAST",
    "NORMAL",
    "SLOW",
    "Balance",
    "Block",
    "BlockRef",
    "BlockTag",
    "BumpPolicy",
    "Chain",
    "ChainEvent",
    "ChainId",
    "Confirmations",
    "Cursor",
    "Draft",
    "EndpointHealth",
    "FeeQuote",
    "FeeStrategy",
    "Fees",
    "Filler",
    "Funds",
    "Gas",
    "L1Fee",
    "LogFilter",
    "NonceBlocked",
    "NonceGapFilled",
    "NonceSuperseded",
    "PendingTx",
    "RepricingRefused",
    "Rpc",
    "Slot",
    "SlotState",
    "Together",
    "Transaction",
    "TransactionReorged",
    "TransactionReplaced",
    "TransactionResent",
    "TransactionsTakenOver",
    "Watch",
    "WatchedLog",
    "capped",
    "decode_revert",
    "error_table",
    "recommended_fillers",
]

__getattr__ = lazy_names(
    __name__,
    {
        "blocks": "Block BlockRef BlockTag Transaction",
        "draft": "Draft",
        "fees": "FAST NORMAL SLOW FeeQuote FeeStrategy Fees capped",
        "fillers": "Balance ChainId Filler Funds Gas L1Fee Together recommended_fillers",
        "health": "EndpointHealth",
        "logs": "Cursor LogFilter",
        "outbox.events": "ChainEvent NonceBlocked NonceGapFilled NonceSuperseded RepricingRefused"
        " TransactionReorged TransactionReplaced TransactionResent TransactionsTakenOver",
        "outbox.replacing": "BumpPolicy",
        "outbox.slots": "Slot SlotState",
        "pending": "Confirmations PendingTx",
        "pipeline": "Chain",
        "reverts": "decode_revert error_table",
        "rpc": "Rpc",
        "watch": "Watch WatchedLog",
    },
)
