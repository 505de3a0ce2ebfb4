"""Many typed reads at one block: through Multicall3, or as one batch where a chain has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, overload

from ..errors import ChainError, ConfigurationError, RevertedError
from ..types import Address, Bytes32
from . import blocks
from .blocks import BlockRef, block_parameter
from .contracts.base import Read
from .contracts.multicall import GET_ETH_BALANCE, MULTICALL3, CallResult, Multicall3
from .jsonrpc import Outcome, RpcCall
from .node_errors import Fault
from .reverts import decode_revert
from .rpc import Rpc, call_message

T = TypeVar("T")

_MOST_READS: Final = 500
_MOST_BYTES: Final = 100_000
_BYTES_AROUND_A_READ: Final = 192
"""What the ABI puts around a read's calldata inside a batch."""


@overload
async def read_many(
    rpc: Rpc,
    reads: Sequence[Read[T]],
    *,
    block: BlockRef = ...,
    allow_failure: Literal[False] = ...,
    multicall: Address = ...,
) -> list[T]: ...
@overload
async def read_many(
    rpc: Rpc,
    reads: Sequence[Read[T]],
    *,
    block: BlockRef = ...,
    allow_failure: bool,
    multicall: Address = ...,
) -> list[T | ChainError]: ...
async def read_many(
    rpc: Rpc,
    reads: Sequence[Read[T]],
    *,
    block: BlockRef = "latest",
    allow_failure: bool = False,
    multicall: Address = MULTICALL3,
) -> list[T] | list[T | ChainError]:
    """Return what each of ``reads`` returns, in order, all as of one block.

    Hundreds of them are one call. Longer lists are split, and pinned to the hash of the block so
    that all parts agree (what is ``"pending"`` cannot be pinned). Where the chain has no Multicall3
    at ``multicall`` they travel as one JSON-RPC batch, with the same results. A contract that looks
    at who calls it sees Multicall3.

    With ``allow_failure`` a read that failed is an error value in its place; without it the first
    such error is raised.

    Raises:
        ConfigurationError: A read of another chain, or one that names a block of its own.
        RevertedError: A contract refused; its reason is decoded.
        ChainError: No contract there, or it answered something else.
        RpcError: No endpoint answered.

    Example:
        >>> from opengradient_sdk.chain.reads import read_many
        >>> opg, multicall = client.contracts.opg, client.contracts.multicall
        >>> rpc = client.chains.payments.rpc
        >>> await read_many(rpc, [opg.decimals(), multicall.chain_id()])
        [18, 31337]
    """
    _check(rpc, reads, block)
    outcomes = await _Question(rpc, Multicall3(rpc, multicall)).outcomes(reads, block)
    if allow_failure:
        return outcomes
    return [_or_raise(outcome) for outcome in outcomes]


def _check(rpc: Rpc, reads: Sequence[Read[Any]], block: BlockRef) -> None:
    for read in reads:
        if read.rpc is not rpc:
            raise ConfigurationError(
                f"{read!r} is of another chain than the one that is asked",
                hint="Read the contracts of each chain through that chain's own read_many.",
            )
        if read.block not in ("latest", block):
            raise ConfigurationError(
                f"{read!r} names block {read.block}, the others are read at {block}",
                hint="All are read at one block: read_many(…, block=…).",
            )


@dataclass(frozen=True, slots=True)
class _Question:
    rpc: Rpc
    multicall: Multicall3

    async def outcomes(self, reads: Sequence[Read[T]], block: BlockRef) -> list[T | ChainError]:
        parts = list(_parts(reads))
        at = block if len(parts) < 2 else await self._pinned(block)
        found: list[T | ChainError] = []
        for part, results in zip(parts, await self._aggregates(parts, at), strict=True):
            if results is None:
                found += await self._one_by_one(part, at)
            else:
                found += map(_result, part, results)
        return found

    async def _pinned(self, block: BlockRef) -> BlockRef:
        if isinstance(block, Bytes32) or block == "pending":
            return block
        return (await self.rpc.get_block(block)).hash

    async def _aggregates(
        self, parts: Sequence[Sequence[Read[T]]], block: BlockRef
    ) -> list[tuple[CallResult, ...] | None]:
        """Return the results of each part; ``None`` for one that the node does not take whole."""
        batches = [
            self.multicall.aggregate([(read.target, read.data) for read in part]) for part in parts
        ]
        answers = await self.rpc.outcomes([_eth_call(batch, block) for batch in batches])
        return [
            self._results(batch, answer, len(part))
            for batch, answer, part in zip(batches, answers, parts, strict=True)
        ]

    def _results(
        self, batch: Read[tuple[CallResult, ...]], answer: Outcome, count: int
    ) -> tuple[CallResult, ...] | None:
        if isinstance(answer, Fault):
            return None  # too much gas, say: its reads are asked on their own
        data = self.rpc.parse(blocks.data, answer, "a call's result")
        if not data:
            return None
        results = batch.result(data)
        if len(results) != count:
            raise ChainError(f"{batch.target} answered {len(results)} of {count} reads")
        return results

    async def _one_by_one(self, reads: Sequence[Read[T]], block: BlockRef) -> list[T | ChainError]:
        at = await self._pinned(block)
        answers = await self.rpc.outcomes([self._call(read, at) for read in reads])
        return [self._answered(read, answer) for read, answer in zip(reads, answers, strict=True)]

    def _call(self, read: Read[Any], block: BlockRef) -> RpcCall:
        if self._is_eth_balance(read):
            (account,) = GET_ETH_BALANCE.decode_args(read.data)
            return "eth_getBalance", [account, block_parameter(block)]
        return _eth_call(read, block)

    def _answered(self, read: Read[T], answer: Outcome) -> T | ChainError:
        if isinstance(answer, Fault):
            error = answer.to_error()
            if isinstance(error, RevertedError):
                return _refused(read, error.reason, error.data)
            return error
        if self._is_eth_balance(read):
            balance = self.rpc.parse(blocks.quantity, answer, "a balance")
            return read.result(balance.to_bytes(32, "big"))
        return _decoded(read, self.rpc.parse(blocks.data, answer, "a call's result"))

    def _is_eth_balance(self, read: Read[Any]) -> bool:
        # what Multicall3 would say of an account, the node says just as well
        return read.target == self.multicall.address and read.function is GET_ETH_BALANCE


def _parts(reads: Sequence[Read[T]]) -> Iterator[list[Read[T]]]:
    part: list[Read[T]] = []
    size = 0
    for read in reads:
        needed = len(read.data) + _BYTES_AROUND_A_READ
        if part and (len(part) == _MOST_READS or size + needed > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(read)
        size += needed
    if part:
        yield part


def _eth_call(read: Read[Any], block: BlockRef) -> RpcCall:
    return "eth_call", [call_message(read.target, read.data), block_parameter(block)]


def _result(read: Read[T], result: CallResult) -> T | ChainError:
    if result.succeeded:
        return _decoded(read, result.data)
    return _refused(read, decode_revert(result.data), result.data)


def _decoded(read: Read[T], data: bytes) -> T | ChainError:
    try:
        return read.result(data)
    except ChainError as error:
        return error


def _refused(read: Read[Any], reason: str, data: bytes) -> RevertedError:
    return RevertedError(
        f"{read.target} refuses {read.function.signature}: {reason}", reason=reason, data=data
    )


def _or_raise(outcome: T | ChainError) -> T:
    if isinstance(outcome, ChainError):
        raise outcome
    return outcome
