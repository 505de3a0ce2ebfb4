"""Many reads in one call and at one block (Multicall3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...errors import ChainError
from ...types import Address
from ..abi import AbiError, Function
from ..blocks import BlockRef
from .base import Contract

AGGREGATE3: Final = Function(
    "aggregate3((address target, bool allowFailure, bytes callData)[] calls)",
    "(bool success, bytes returnData)[]",
)


@dataclass(frozen=True, slots=True)
class Read:
    """One read: ``function`` of the contract at ``target``, called with ``args``."""

    target: Address
    function: Function
    args: tuple[object, ...] = ()


class Multicall3(Contract):
    """The standard Multicall3 contract."""

    async def read_many(
        self, reads: Sequence[Read], *, block: BlockRef = "latest"
    ) -> tuple[tuple[Any, ...] | ChainError, ...]:
        """Return each read's results in order, all of one block; a failed one is an error value.

        Raises:
            ChainError: Multicall3 itself is not there, or answered something else.
        """
        calls = tuple((read.target, True, read.function.encode(*read.args)) for read in reads)
        (results,) = await self._read(AGGREGATE3, calls, block=block)
        if len(results) != len(reads):
            raise ChainError(f"{self.address} answered {len(results)} of {len(reads)} reads")
        return tuple(_outcome(read, *result) for read, result in zip(reads, results, strict=True))


def _outcome(read: Read, success: bool, data: bytes) -> tuple[Any, ...] | ChainError:  # noqa: FBT001 - as the ABI has it
    if not success:
        return ChainError(f"{read.target} refused {read.function.signature}: 0x{data.hex()[:200]}")
    if not data:
        return ChainError(f"no contract answers {read.function.name} at {read.target}")
    try:
        return read.function.decode_result(data)
    except AbiError as error:
        return ChainError(f"{read.target} does not answer {read.function.signature}: {error}")
