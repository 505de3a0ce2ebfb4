"""JSON-RPC methods that run code or move the chain: calls, estimates, fees, sending, mining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._core.clock import Clock, ShiftedClock
from ...types import bytes_to_hex
from . import rpc_params as params
from .admission import admit
from .errors import invalid_params, refused
from .execution import call, estimate_gas
from .fork import BASE_FEE, GAS_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from eth.abc import BlockHeaderAPI

    from .machine import Machine
    from .rpc_views import Json

PRIORITY_FEE: Final = 10**6
"""The tip, in wei per gas, that is suggested; nobody competes for space in a block here."""

_MAX_FEE_HISTORY: Final = 1024
_MAX_MINED: Final = 10_000


class Execution:
    """Calls, estimates, fees, sending, and the controls of a test network."""

    def __init__(self, machine: Machine, tags: params.Tags, clock: Clock) -> None:
        self._machine = machine
        self._tags = tags
        self._clock = clock

    def methods(self) -> dict[str, Callable[..., object]]:
        """Return the methods by their JSON-RPC names."""
        return {
            "eth_call": self._call,
            "eth_estimateGas": self._estimate_gas,
            "eth_sendRawTransaction": self._send_raw_transaction,
            "eth_gasPrice": lambda: hex(BASE_FEE + PRIORITY_FEE),
            "eth_maxPriorityFeePerGas": lambda: hex(PRIORITY_FEE),
            "eth_blobBaseFee": lambda: "0x1",
            "eth_feeHistory": self._fee_history,
            "evm_mine": self._mine,
            "evm_increaseTime": self._increase_time,
            "evm_setNextBlockTimestamp": self._set_next_block_timestamp,
        }

    def _call(self, message: object, block: object = "latest") -> str:
        header = self._context(block)
        return bytes_to_hex(call(self._machine, header, params.message_call(message)))

    def _estimate_gas(self, message: object, block: object = "latest") -> str:
        header = self._context(block)
        return hex(estimate_gas(self._machine, header, params.message_call(message)))

    def _context(self, block: object) -> BlockHeaderAPI:
        """Return the header in whose context a call at ``block`` runs.

        ``latest`` and ``pending`` see the clock's time; every other block, also the newest one by
        its number, sees its own.
        """
        if block == "pending":
            return self._machine.pending_header()
        if block == "latest":
            return self._machine.present_header()
        return self._tags.known_block(block).header

    def _send_raw_transaction(self, raw: object) -> str:
        transaction = admit(self._machine, params.data(raw))
        self._machine.mine(transaction)
        return bytes_to_hex(transaction.hash)

    def _fee_history(self, count: object, newest: object, percentiles: object = None) -> Json:
        wanted = count if isinstance(count, int) else params.quantity(count)
        if not 1 <= wanted <= _MAX_FEE_HISTORY:
            raise invalid_params(f"block count must be between 1 and {_MAX_FEE_HISTORY}")
        last = self._tags.known_block(newest).number
        blocks = self._machine.blocks[max(0, last + 1 - wanted) : last + 1]
        history: Json = {
            "oldestBlock": hex(blocks[0].number),
            "baseFeePerGas": [hex(BASE_FEE)] * (len(blocks) + 1),
            "gasUsedRatio": [block.header.gas_used / GAS_LIMIT for block in blocks],
            "baseFeePerBlobGas": ["0x1"] * (len(blocks) + 1),
            "blobGasUsedRatio": [0.0] * len(blocks),
        }
        if percentiles:
            tips = [hex(PRIORITY_FEE)] * len(params.items(percentiles))
            history["reward"] = [tips] * len(blocks)
        return history

    def _mine(self, blocks: object = "0x1") -> str:
        wanted = blocks if isinstance(blocks, int) else params.quantity(blocks)
        if not 1 <= wanted <= _MAX_MINED:
            raise invalid_params(f"between 1 and {_MAX_MINED} blocks can be mined at once")
        for _ in range(wanted):
            self._machine.mine()
        return "0x0"

    def _increase_time(self, seconds: object) -> str:
        wanted = seconds if isinstance(seconds, int) else params.quantity(seconds)
        if not isinstance(self._clock, ShiftedClock):
            raise refused("this chain follows a clock that cannot be moved")
        if wanted < 0:
            raise invalid_params("time does not run backwards")
        self._clock.advance(wanted)
        return hex(wanted)

    def _set_next_block_timestamp(self, timestamp: object) -> None:
        wanted = timestamp if isinstance(timestamp, int) else params.quantity(timestamp)
        if not isinstance(self._clock, ShiftedClock):
            raise refused("this chain follows a clock that cannot be moved")
        try:
            self._machine.set_next_timestamp(wanted)
        except ValueError as error:
            raise invalid_params(f"timestamp {wanted} lies in the past: {error}") from error
        self._clock.advance(max(0.0, wanted - self._clock.now()))
