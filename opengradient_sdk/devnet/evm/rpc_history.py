"""JSON-RPC methods that read what was mined: blocks, transactions, receipts, logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import rpc_params as params
from .log_filter import LogFilter, blocks_of
from .rpc_views import (
    Json,
    block_view,
    pending_block_view,
    receipt_view,
    transaction_view,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Machine
    from .records import MinedBlock, MinedTransaction


class History:
    """Blocks, transactions, receipts and logs."""

    def __init__(self, machine: Machine, tags: params.Tags) -> None:
        self._machine = machine
        self._tags = tags

    def methods(self) -> dict[str, Callable[..., object]]:
        """Return the methods by their JSON-RPC names."""
        return {
            "eth_blockNumber": lambda: hex(self._machine.head.number),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockTransactionCountByNumber": self._count_by_number,
            "eth_getBlockTransactionCountByHash": self._count_by_hash,
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionByBlockNumberAndIndex": self._transaction_by_number,
            "eth_getTransactionByBlockHashAndIndex": self._transaction_by_hash,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getLogs": self._logs,
        }

    def _block_by_number(self, number: object, full: object) -> Json | None:
        whole = params.flag(full)
        if number == "pending":
            return pending_block_view(self._machine.pending_header())
        block = self._tags.block(number)
        return None if block is None else block_view(block, full=whole)

    def _block_by_hash(self, block_hash: object, full: object) -> Json | None:
        block, whole = self._by_hash(block_hash), params.flag(full)
        return None if block is None else block_view(block, full=whole)

    def _count_by_number(self, number: object) -> str | None:
        return _count(self._tags.block(number))

    def _count_by_hash(self, block_hash: object) -> str | None:
        return _count(self._by_hash(block_hash))

    def _block_receipts(self, number_or_hash: object) -> list[Json] | None:
        by_hash = isinstance(number_or_hash, str) and len(number_or_hash) == 66
        block = self._by_hash(number_or_hash) if by_hash else self._tags.block(number_or_hash)
        return None if block is None else [receipt_view(block, t) for t in block.transactions]

    def _transaction(self, transaction_hash: object) -> Json | None:
        found = self._mined(transaction_hash)
        return None if found is None else transaction_view(*found)

    def _transaction_by_number(self, number: object, index: object) -> Json | None:
        return _transaction_at(self._tags.block(number), index)

    def _transaction_by_hash(self, block_hash: object, index: object) -> Json | None:
        return _transaction_at(self._by_hash(block_hash), index)

    def _receipt(self, transaction_hash: object) -> Json | None:
        found = self._mined(transaction_hash)
        return None if found is None else receipt_view(*found)

    def _logs(self, criteria: object) -> list[Json]:
        fields = params.mapping(criteria)
        wanted = LogFilter.parse(fields)
        return wanted.logs_in(blocks_of(self._machine, self._tags, fields))

    def _by_hash(self, block_hash: object) -> MinedBlock | None:
        return self._machine.by_hash.get(params.data(block_hash, length=32))

    def _mined(self, transaction_hash: object) -> tuple[MinedBlock, MinedTransaction] | None:
        return self._machine.transactions.get(params.data(transaction_hash, length=32))


def _count(block: MinedBlock | None) -> str | None:
    return None if block is None else hex(len(block.transactions))


def _transaction_at(block: MinedBlock | None, index: object) -> Json | None:
    position = params.quantity(index)
    if block is None or position >= len(block.transactions):
        return None
    return transaction_view(block, block.transactions[position])
