"""What the poller asks the chain, in as few round trips as possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..._core.tasks import together
from ...errors import RpcError, WrongChainError
from ...types import Address, Bytes32, TxReceipt
from .. import blocks
from ..blocks import Block, BlockTag
from ..endpoint import Outcome, RpcCall
from ..node_errors import Fault
from ..rpc import Rpc

_LONGEST_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class View:
    """What the chain said at one moment.

    ``levels`` holds the number of the block behind each tag that was asked for, -1 where there is
    none yet.
    """

    head: Block
    counts: Mapping[Address, int]
    levels: Mapping[BlockTag, int]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of the things asked for; ``trouble`` is why some of them are not there."""

    receipts: Mapping[Bytes32, TxReceipt | None]
    trouble: RpcError | None = None


async def view(rpc: Rpc, accounts: Sequence[Address], tags: Sequence[BlockTag]) -> View:
    """Return the latest block, the accounts' next nonces and the numbers behind ``tags``.

    The latest block is read first: a reorg between this and a later read then shows as another
    hash, never as depth that is not there.

    Raises:
        RpcError: The chain could not be read.
    """
    head, *rest = await rpc.outcomes(
        [
            ("eth_getBlockByNumber", ["latest", False]),
            *(("eth_getTransactionCount", [account, "latest"]) for account in accounts),
            *(("eth_getBlockByNumber", [tag, False]) for tag in tags),
        ]
    )
    counts = [
        rpc.parse(blocks.quantity, _result(outcome), "a transaction count")
        for outcome in rest[: len(accounts)]
    ]
    levels = [_level(rpc, outcome) for outcome in rest[len(accounts) :]]
    return View(
        rpc.parse(blocks.block, _result(head), "a block"),
        dict(zip(accounts, counts, strict=True)),
        dict(zip(tags, levels, strict=True)),
    )


async def hashes(rpc: Rpc, numbers: Iterable[int]) -> dict[int, Bytes32 | None]:
    """Return the hashes of blocks by number, ``None`` where the chain has no such block yet.

    Raises:
        RpcError: The chain could not be read.
    """
    wanted = list(numbers)
    outcomes = await rpc.outcomes(
        [("eth_getBlockByNumber", [hex(number), False]) for number in wanted]
    )
    return {number: _hash(rpc, outcome) for number, outcome in zip(wanted, outcomes, strict=True)}


async def receipts(rpc: Rpc, wanted: Sequence[Bytes32]) -> Found:
    """Return the receipts of ``wanted``, ``None`` for those in no block.

    What could not be asked is absent: one batch that fails takes no other with it.

    Raises:
        WrongChainError: An endpoint serves another chain.
    """
    batches = [
        wanted[start : start + _LONGEST_BATCH] for start in range(0, len(wanted), _LONGEST_BATCH)
    ]
    found = await together(*(_receipts(rpc, batch) for batch in batches))
    return Found(
        {hash: receipt for part in found for hash, receipt in part.receipts.items()},
        next((part.trouble for part in found if part.trouble), None),
    )


async def _receipts(rpc: Rpc, wanted: Sequence[Bytes32]) -> Found:
    calls: list[RpcCall] = [("eth_getTransactionReceipt", [str(hash)]) for hash in wanted]
    found: dict[Bytes32, TxReceipt | None] = {}
    try:
        for hash, outcome in zip(wanted, await rpc.outcomes(calls), strict=True):
            found[hash] = rpc.parse(blocks.receipt, _result(outcome), "a receipt")
    except WrongChainError:
        raise
    except RpcError as error:
        return Found(found, error)
    return Found(found)


def _level(rpc: Rpc, outcome: Outcome) -> int:
    # a young chain has no finalized block yet, and some nodes know no such tag
    if outcome is None or isinstance(outcome, Fault):
        return -1
    return rpc.parse(blocks.block, outcome, "a block").number


def _hash(rpc: Rpc, outcome: Outcome) -> Bytes32 | None:
    answer = _result(outcome)
    return None if answer is None else rpc.parse(blocks.block, answer, "a block").hash


def _result(outcome: Outcome) -> object:
    if isinstance(outcome, Fault):
        error = outcome.to_error()
        raise error if isinstance(error, RpcError) else RpcError(error.short_message)
    return outcome
