"""One endpoint's word: which events the registry reported in a range of blocks, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..._core.tasks import together
from ...chain import blocks
from ...chain.blocks import Block, BlockRef
from ...chain.contracts.tee_info import TeeInfo
from ...chain.contracts.tee_registry import TeeRegistry
from ...chain.headers import header_call
from ...chain.jsonrpc import Outcome
from ...chain.logs import LogFilter, mined_logs
from ...chain.node_errors import Fault, FaultKind
from ...chain.rpc import Rpc
from ...errors import RegistryUnavailableError, WrongChainError
from ...types import Address, Bytes32, Log
from .events import TOPICS, EventKind, Place, RegistryEvent, event_of

CHECK_RPC: Final = "check the endpoint; OG_REGISTRY_RPC_URL names another"
_LONGEST: Final = 2**62
"""The most that the store's whole numbers are trusted with."""


class RangeTooLargeError(Exception):
    """The endpoint does not hand out the logs of so many blocks at once."""


@dataclass(frozen=True, slots=True)
class Word:
    """What one endpoint says of the blocks up to ``last``; ``before`` is the block before them."""

    before: Bytes32 | None
    last: Place
    events: tuple[RegistryEvent, ...]


class RegistryReader:
    """Reads the history of the registry at ``address`` through one JSON-RPC client."""

    def __init__(self, rpc: Rpc, address: Address, chain_id: int) -> None:
        self.rpc = rpc
        self._chain_id = chain_id
        self._address = address
        self._registry = TeeRegistry(rpc, address)
        self._wanted = LogFilter.of(address, [[event.topic for event in TOPICS]])

    @property
    def name(self) -> str:
        """The endpoint or endpoints, without credentials."""
        return ", ".join(self.rpc.names)

    async def check_chain(self) -> None:
        """Return if this is the registry's chain.

        Raises:
            WrongChainError: It is not.
            RpcError: No endpoint answered.
        """
        served = await self.rpc.chain_id()
        if served != self._chain_id:
            raise WrongChainError(
                f"{self.name} serves chain {served}; the registry is on chain {self._chain_id}",
                hint=CHECK_RPC,
                url=self.name,
            )

    async def block(self, block: BlockRef) -> Place | None:
        """Return a block, ``None`` where the endpoint has none such (yet)."""
        (outcome,) = await self.rpc.outcomes([header_call(block)])
        return self._place(outcome)

    async def is_deployed(self, block: int) -> bool:
        """Whether there was code at the registry's address in the state of a block.

        Raises:
            RpcError: The endpoint does not have that state, or none answered.
        """
        return bool(await self.rpc.get_code(self._address, block))

    async def max_age(self) -> int:
        """Return for how many seconds a heartbeat counts now."""
        return min(await self._registry.heartbeat_max_age(), _LONGEST)

    async def read(self, first: int, last: int) -> Word:
        """Return the events of the blocks from ``first`` to ``last``, oldest first.

        Raises:
            RangeTooLargeError: Fewer blocks must be asked for at once.
            RegistryUnavailableError: The blocks were replaced meanwhile, or the endpoint does not
                have them, or an event has no shape that is known.
            RpcError: No endpoint answered.
        """
        before, end, logs, again = await self.rpc.outcomes(
            [
                header_call(max(first - 1, 0)),
                header_call(last),
                self._logs_call(first, last),
                header_call(last),
            ]
        )
        joint, tip = self._place(before), self._place(end)
        if joint is None or tip is None or tip != self._place(again):
            raise self._replaced(last)
        found = self._own(self._logs(logs, first, last))
        events = await self._recorded(await self._dated(found))
        return Word(joint.hash if first else None, tip, tuple(events))

    async def _dated(self, logs: Sequence[Log]) -> list[RegistryEvent]:
        """Give every log the time of its block; only the block's header has it."""
        hashes = list(dict.fromkeys(log.block_hash for log in logs if log.block_hash is not None))
        headers = await self.rpc.outcomes([header_call(one) for one in hashes])
        places = {place.hash: place for one in headers if (place := self._place(one))}
        if any(log.block_hash not in places for log in logs):
            raise self._replaced(logs[-1].block_number)
        return [event_of(log, places[log.block_hash]) for log in logs if log.block_hash]

    async def _recorded(self, events: Sequence[RegistryEvent]) -> list[RegistryEvent]:
        """Give every registration its build, which the event does not name; it never changes."""
        ids = dict.fromkeys(e.subject for e in events if e.kind is EventKind.REGISTERED)
        found = await together(*(self._ask(one) for one in ids))
        records = {one: record for one, record in zip(ids, found, strict=True) if record}
        if len(records) < len(ids):
            raise self._replaced(events[-1].place.block)
        return [
            e.with_record(records[e.subject]) if e.kind is EventKind.REGISTERED else e
            for e in events
        ]

    async def _ask(self, tee_id: Bytes32) -> TeeInfo | None:
        return await self._registry.find_tee(tee_id)

    def _logs(self, outcome: Outcome, first: int, last: int) -> tuple[Log, ...]:
        if isinstance(outcome, Fault):
            if outcome.kind is FaultKind.TOO_MANY_LOGS and last > first:
                raise RangeTooLargeError
            raise outcome.to_error()
        return self.rpc.parse(mined_logs, outcome, "logs")

    def _own(self, logs: Iterable[Log]) -> list[Log]:
        return [log for log in logs if log.address == self._address]

    def _place(self, outcome: Outcome) -> Place | None:
        if isinstance(outcome, Fault):
            if outcome.kind is FaultKind.BEHIND:
                return None
            raise outcome.to_error()
        return None if outcome is None else Place.of(self.rpc.parse(_block, outcome, "a block"))

    def _logs_call(self, first: int, last: int) -> tuple[str, list[object]]:
        wanted = LogFilter(self._wanted.addresses, self._wanted.topics, first, last)
        return ("eth_getLogs", [wanted.parameter()])

    def _replaced(self, number: int) -> RegistryUnavailableError:
        return RegistryUnavailableError(
            f"{self.name} does not have the blocks up to {number}, or has replaced some meanwhile",
            hint="try again in a moment",
        )


def _block(value: object) -> Block:
    block = blocks.block(value)
    if max(block.number, block.timestamp) > _LONGEST:
        raise ValueError("a number or a time that no block has")
    return block
