"""What was mined, as the JSON-RPC methods read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eth.abc import BlockAPI, BlockHeaderAPI, LogAPI, ReceiptAPI, SignedTransactionAPI


@dataclass(frozen=True, slots=True, eq=False)
class MinedTransaction:
    """A transaction with its place in a block and what it did. Gas prices are wei per gas."""

    transaction: SignedTransactionAPI
    hash: bytes
    sender: bytes
    receipt: ReceiptAPI
    index: int
    first_log: int
    gas_used: int
    effective_gas_price: int
    contract_address: bytes | None

    @property
    def logs(self) -> tuple[LogAPI, ...]:
        """The event logs, in the order they were written."""
        return tuple(self.receipt.logs)

    @property
    def succeeded(self) -> bool:
        """Whether the EVM ran to its end."""
        return bool(self.receipt.state_root)


@dataclass(frozen=True, slots=True, eq=False)
class MinedBlock:
    """A block of the chain."""

    block: BlockAPI
    hash: bytes
    transactions: tuple[MinedTransaction, ...] = ()

    @property
    def header(self) -> BlockHeaderAPI:
        """The block's header."""
        return self.block.header

    @property
    def number(self) -> int:
        """The block's height."""
        return int(self.block.header.block_number)
