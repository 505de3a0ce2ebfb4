"""JSON-RPC filters: what is new since the last question. Some tools watch events only so."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...types import bytes_to_hex
from . import rpc_params as params
from .errors import refused
from .log_filter import LogFilter, blocks_of

if TYPE_CHECKING:
    from .machine import Machine
    from .records import MinedBlock

_MAX_FILTERS: Final = 1000
"""The oldest filter makes room for a new one: nobody is obliged to uninstall."""


@dataclass(slots=True)
class _Installed:
    """A filter, and the first block that it has not told of."""

    report: Callable[[Sequence[MinedBlock]], list[object]]
    next_block: int
    criteria: object = None


class Filters:
    """Filters for logs, blocks and pending transactions, installed and polled."""

    def __init__(self, machine: Machine, tags: params.Tags) -> None:
        self._machine = machine
        self._tags = tags
        self._installed: OrderedDict[str, _Installed] = OrderedDict()
        self._count = 0

    def methods(self) -> dict[str, Callable[..., object]]:
        """Return the methods by their JSON-RPC names."""
        return {
            "eth_newFilter": self._new_log_filter,
            "eth_newBlockFilter": lambda: self._install(_hashes),
            "eth_newPendingTransactionFilter": lambda: self._install(_transaction_hashes),
            "eth_getFilterChanges": self._changes,
            "eth_getFilterLogs": self._logs,
            "eth_uninstallFilter": self._uninstall,
        }

    def _new_log_filter(self, criteria: object) -> str:
        wanted = LogFilter.parse(params.mapping(criteria))
        return self._install(lambda blocks: list(wanted.logs_in(blocks)), criteria)

    def _install(
        self, report: Callable[[Sequence[MinedBlock]], list[object]], criteria: object = None
    ) -> str:
        self._count += 1
        name = hex(self._count)
        self._installed[name] = _Installed(report, self._machine.head.number + 1, criteria)
        if len(self._installed) > _MAX_FILTERS:
            self._installed.popitem(last=False)
        return name

    def _changes(self, name: object) -> list[object]:
        found = self._find(name)
        blocks = self._machine.blocks[found.next_block :]
        found.next_block = self._machine.head.number + 1
        return found.report(blocks)

    def _logs(self, name: object) -> list[object]:
        found = self._find(name)
        if found.criteria is None:
            raise refused("filter not found")  # geth's words: it is no filter for logs
        fields = params.mapping(found.criteria)
        return found.report(blocks_of(self._machine, self._tags, fields))

    def _uninstall(self, name: object) -> bool:
        return self._installed.pop(hex(params.quantity(name)), None) is not None

    def _find(self, name: object) -> _Installed:
        found = self._installed.get(hex(params.quantity(name)))
        if found is None:
            raise refused("filter not found")
        return found


def _hashes(blocks: Sequence[MinedBlock]) -> list[object]:
    return [bytes_to_hex(block.hash) for block in blocks]


def _transaction_hashes(blocks: Sequence[MinedBlock]) -> list[object]:
    return [bytes_to_hex(t.hash) for block in blocks for t in block.transactions]
