"""One reading of the registry: at one block, through endpoints that must agree."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ..chain.abi import AbiError
from ..chain.blocks import Block
from ..chain.contracts.tee_info import (
    LLM_PROXY,
    Layout,
    TeeInfo,
    decode_active_tees,
    encode_active_tees,
)
from ..chain.rpc import Rpc
from ..errors import RegistryUnavailableError, RevertedError, RpcError, WrongChainError
from ..types import Address

T = TypeVar("T")

CHECK_RPC: Final = "check the endpoint; OG_REGISTRY_RPC_URL names another"
_CHECK_ADDRESS: Final = (
    "OG_TEE_REGISTRY names the registry, OG_REGISTRY_RPC_URL an endpoint of its chain: "
    "do they belong together?"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the registry listed at ``block``, unchecked, and the endpoints that agreed on it."""

    block: Block
    layout: Layout
    tees: tuple[TeeInfo, ...]
    endpoints: tuple[str, ...]


async def read_active_tees(rpcs: Sequence[Rpc], address: Address, chain_id: int) -> Reading:
    """Return what the registry at ``address`` lists, as all ``rpcs`` say it at one block.

    The block is the newest that all of them have.

    Raises:
        RegistryUnavailableError: One failed, they disagree, or there is no such registry.
        WrongChainError: One serves another chain.
    """
    heads = await _all(_head(rpc, chain_id) for rpc in rpcs)
    block = min(heads, key=lambda head: head.number)
    answers = await _all(
        _answer(rpc, head, block, address) for rpc, head in zip(rpcs, heads, strict=True)
    )
    for rpc, answer in zip(rpcs, answers, strict=True):
        if answer != answers[0]:
            raise _disagreement(rpcs[0], rpc, f"list different nodes at block {block.number}")
    layout, tees = _decoded(answers[0], address)
    return Reading(block, layout, tees, tuple(name for rpc in rpcs for name in rpc.names))


async def _head(rpc: Rpc, chain_id: int) -> Block:
    try:
        head = await rpc.get_block("latest")
        served = await rpc.chain_id()
    except WrongChainError:
        raise
    except RpcError as error:
        raise _unavailable(rpc, error) from error
    if served != chain_id:
        raise WrongChainError(
            f"{_named(rpc)} serves chain {served}; the registry is on chain {chain_id}",
            hint=CHECK_RPC,
            url=_named(rpc),
        )
    return head


async def _answer(rpc: Rpc, head: Block, block: Block, address: Address) -> bytes:
    try:
        if head.number != block.number:
            head = await rpc.get_block(block.number)
        if head.hash != block.hash:
            raise RegistryUnavailableError(
                f"{_named(rpc)} has another block {block.number} than the other endpoints",
                hint=f"try again in a moment; if it stays so, one is on a fork: {CHECK_RPC}",
            )
        return await _call(rpc, block, address)
    except RevertedError as error:
        raise RegistryUnavailableError(
            f"the contract at {address} refuses to list nodes: {error.reason}", hint=_CHECK_ADDRESS
        ) from error
    except WrongChainError:
        raise
    except RpcError as error:
        raise _unavailable(rpc, error) from error


async def _call(rpc: Rpc, block: Block, address: Address) -> bytes:
    question = encode_active_tees(LLM_PROXY)
    try:
        return await rpc.eth_call(address, question, block.hash)
    except RpcError as error:
        if error.code is None:
            raise
    # The endpoint answered, and does not take a block by its hash (EIP-1898): by number then,
    # and look afterwards whether that number still means the same block.
    answer = await rpc.eth_call(address, question, block.number)
    if (await rpc.get_block(block.number)).hash != block.hash:
        raise RegistryUnavailableError(
            f"block {block.number} of {_named(rpc)} was replaced while it was read",
            hint="try again in a moment",
        )
    return answer


def _decoded(answer: bytes, address: Address) -> tuple[Layout, tuple[TeeInfo, ...]]:
    if not answer:
        raise RegistryUnavailableError(f"there is no contract at {address}", hint=_CHECK_ADDRESS)
    try:
        return decode_active_tees(answer)
    except AbiError as error:
        raise RegistryUnavailableError(
            f"what {address} answers is not a list of nodes: {error}",
            hint=f"another contract, or a registry newer than this package; {_CHECK_ADDRESS}",
        ) from error


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results in order, or raise the first failure when the others have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
    return [task.result() for task in tasks]


def _unavailable(rpc: Rpc, error: RpcError) -> RegistryUnavailableError:
    return RegistryUnavailableError(
        f"the registry's RPC endpoint {_named(rpc)} failed: {error.short_message}", hint=CHECK_RPC
    )


def _disagreement(one: Rpc, other: Rpc, what: str) -> RegistryUnavailableError:
    return RegistryUnavailableError(
        f"{_named(one)} and {_named(other)} {what}",
        hint="one of them is wrong or lies; no node is trusted until they agree",
    )


def _named(rpc: Rpc) -> str:
    return ", ".join(rpc.names)
