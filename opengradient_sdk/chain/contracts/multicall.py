"""Multicall3: many calls in one, and what the EVM knows of its block.

`opengradient_sdk.chain.reads` asks typed reads through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ...types import Address, Bytes32
from ..abi import Function
from ..blocks import BlockRef
from .base import Caller, Contract, Read

MULTICALL3: Final = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""Where Multicall3 is on every chain that has it."""

AGGREGATE3: Final = Function(
    "aggregate3((address target, bool allowFailure, bytes callData)[] calls)",
    "(bool success, bytes returnData)[]",
)
GET_ETH_BALANCE: Final = Function("getEthBalance(address account)", "uint256")
GET_BLOCK_NUMBER: Final = Function("getBlockNumber()", "uint256")
GET_BLOCK_HASH: Final = Function("getBlockHash(uint256 number)", "bytes32")
GET_CURRENT_BLOCK_TIMESTAMP: Final = Function("getCurrentBlockTimestamp()", "uint256")
GET_CURRENT_BLOCK_GAS_LIMIT: Final = Function("getCurrentBlockGasLimit()", "uint256")
GET_BASEFEE: Final = Function("getBasefee()", "uint256")
GET_CHAIN_ID: Final = Function("getChainId()", "uint256")


@dataclass(frozen=True, slots=True)
class CallResult:
    """What one of many calls returned, or, where it failed, its revert data."""

    succeeded: bool
    data: bytes = field(repr=False)


class Multicall3(Contract):
    """The standard Multicall3 contract.

    Its reads tell something about the block that other reads of the same batch were made in.
    """

    def __init__(self, rpc: Caller, address: Address = MULTICALL3) -> None:
        super().__init__(rpc, address)

    def aggregate(
        self, calls: Sequence[tuple[Address, bytes]], *, block: BlockRef = "latest"
    ) -> Read[tuple[CallResult, ...]]:
        """Return what each (contract, calldata) returns, all at one block; each may fail alone."""
        every = tuple((target, True, data) for target, data in calls)
        return self._read(AGGREGATE3, every, into=_call_results, block=block)

    def eth_balance(self, account: Address, *, block: BlockRef = "latest") -> Read[int]:
        """Return the wei that ``account`` holds."""
        return self._read(GET_ETH_BALANCE, account, into=int, block=block)

    def block_number(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return the number of the block that is read."""
        return self._read(GET_BLOCK_NUMBER, into=int, block=block)

    def block_hash(self, number: int, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the hash of one of the 256 blocks before the one that is read."""
        return self._read(GET_BLOCK_HASH, number, into=Bytes32, block=block)

    def timestamp(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return the time of the block that is read, in Unix seconds."""
        return self._read(GET_CURRENT_BLOCK_TIMESTAMP, into=int, block=block)

    def gas_limit(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return the gas limit of the block that is read."""
        return self._read(GET_CURRENT_BLOCK_GAS_LIMIT, into=int, block=block)

    def base_fee(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return the base fee of the block that is read, in wei per gas."""
        return self._read(GET_BASEFEE, into=int, block=block)

    def chain_id(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return the chain's id as the EVM knows it."""
        return self._read(GET_CHAIN_ID, into=int, block=block)


def _call_results(results: tuple[Any, ...]) -> tuple[CallResult, ...]:
    return tuple(CallResult(succeeded, data) for succeeded, data in results)
