"""Calls and gas estimates: running a message without mining it, and saying why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eth.exceptions import (
    FullStack,
    InsufficientFunds,
    InsufficientStack,
    InvalidInstruction,
    InvalidJumpDestination,
    OutOfBoundsRead,
    OutOfGas,
    Revert,
    VMError,
    WriteProtection,
)
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_typing import Address as CanonicalAddress

from ...types import Address, bytes_to_hex
from .errors import EXECUTION_REVERTED, JsonRpcError, refused
from .fork import GAS_LIMIT
from .machine import Call, Machine

if TYPE_CHECKING:
    from eth.abc import BlockHeaderAPI, ComputationAPI, StateAPI

_ERROR_STRING: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")
_TRANSFER_GAS: Final = 21_000
_CALL_STIPEND: Final = 2_300
_TOLERANCE: Final = 0.015
"""How far above the least sufficient gas an estimate may be; geth's figure."""

_PANICS: Final = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}

_FAILURES: Final[tuple[tuple[type[VMError], str], ...]] = (
    (OutOfGas, "out of gas"),
    (InvalidInstruction, "invalid opcode"),
    (InvalidJumpDestination, "invalid jump destination"),
    (InsufficientStack, "stack underflow"),
    (FullStack, "stack limit reached 1024 (1023)"),
    (WriteProtection, "write protection"),
    (OutOfBoundsRead, "return data out of bounds"),
    (InsufficientFunds, "insufficient balance for transfer"),
)


def call(machine: Machine, header: BlockHeaderAPI, message: Call) -> bytes:
    """Return what ``message`` returns in the context of ``header``.

    Raises:
        JsonRpcError: It reverted (code 3, with the revert data) or failed otherwise.
    """
    state = machine.execution_state(header)
    _require_value(state, message)
    computation = machine.run(state, message)
    _raise_failure(computation)
    return computation.output


def estimate_gas(machine: Machine, header: BlockHeaderAPI, message: Call) -> int:
    """Return a gas limit that suffices for ``message``, at most 1.5 % above the least one.

    Raises:
        JsonRpcError: It fails even with the whole block's gas.
    """
    state = machine.execution_state(header)
    _require_value(state, message)
    if message.to and not message.data and not state.get_code(CanonicalAddress(message.to)):
        return _TRANSFER_GAS

    high = min(message.gas, GAS_LIMIT)
    computation = machine.run(state, _with_gas(message, high))
    _raise_failure(computation)
    spent = high - computation.get_gas_remaining()
    refund = computation.get_gas_refund()
    floor = spent + computation.data_floor_gas - min(refund, spent // 5)

    # A call may pass on at most 63/64 of its gas, so what was used is rarely what is needed.
    low, guess = floor - 1, (spent + computation.data_floor_gas + _CALL_STIPEND) * 64 // 63
    while low + 1 < high:
        if (high - low) / high < _TOLERANCE:
            break
        middle = guess if low < guess < high else (low + high) // 2
        guess = 0
        if machine.run(state, _with_gas(message, middle)).is_error:
            low = middle
        else:
            high = middle
    return high


def revert_message(data: bytes) -> str:
    """Return geth's message for a revert with ``data``."""
    try:
        if data[:4] == _ERROR_STRING:
            (reason,) = decode(["string"], data[4:])
            return f"execution reverted: {reason}"
        if data[:4] == _PANIC:
            (code,) = decode(["uint256"], data[4:])
            return f"execution reverted: {_PANICS.get(code, f'unknown panic code: {code:#x}')}"
    except (DecodingError, UnicodeDecodeError):
        return "execution reverted"  # looks like a reason and is none: the data says the rest
    return "execution reverted"


def _raise_failure(computation: ComputationAPI) -> None:
    if computation.is_success:
        return
    if isinstance(computation.error, Revert):
        data = bytes(computation.output)
        raise JsonRpcError(EXECUTION_REVERTED, revert_message(data), bytes_to_hex(data))
    for kind, words in _FAILURES:
        if isinstance(computation.error, kind):
            raise refused(words)
    raise refused(str(computation.error) or type(computation.error).__name__)


def _require_value(state: StateAPI, message: Call) -> None:
    balance = state.get_balance(CanonicalAddress(message.sender))
    if balance < message.value:
        sender = Address.from_bytes(message.sender)
        raise refused(f"insufficient funds for transfer: address {sender}")


def _with_gas(message: Call, gas: int) -> Call:
    return Call(message.sender, message.to, message.data, message.value, gas, message.access_list)
