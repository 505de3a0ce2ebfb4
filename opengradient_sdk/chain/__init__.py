"""Chains: JSON-RPC, transactions from request to receipt, and what contracts say.

Nothing here imports web3 until ``Chain.web3`` is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .blocks import Block, BlockRef, BlockTag, Transaction
    from .fillers import ChainId, Draft, Fees, Filler, Funds, Gas, L1Fee, recommended_fillers
    from .logs import LogFilter
    from .nonces import NonceLeases
    from .pending import Confirmations, PendingTx
    from .pipeline import Chain
    from .reverts import decode_revert, error_table
    from .rpc import Rpc

__all__ = [
    "Block",
    "BlockRef",
    "BlockTag",
    "Chain",
    "ChainId",
    "Confirmations",
    "Draft",
    "Fees",
    "Filler",
    "Funds",
    "Gas",
    "L1Fee",
    "LogFilter",
    "NonceLeases",
    "PendingTx",
    "Rpc",
    "Transaction",
    "decode_revert",
    "error_table",
    "recommended_fillers",
]

__getattr__ = lazy_names(
    __name__,
    {
        "blocks": "Block BlockRef BlockTag Transaction",
        "pipeline": "Chain",
        "fillers": "ChainId Draft Fees Filler Funds Gas L1Fee recommended_fillers",
        "pending": "Confirmations PendingTx",
        "logs": "LogFilter",
        "nonces": "NonceLeases",
        "rpc": "Rpc",
        "reverts": "decode_revert error_table",
    },
)
