"""JSON-RPC methods that read accounts: of the newest block or of any before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_typing import Address as CanonicalAddress

from ...types import bytes_to_hex
from . import rpc_params as params

if TYPE_CHECKING:
    from collections.abc import Callable

    from eth.abc import StateAPI

    from .machine import Machine


class StateReads:
    """Balances, nonces, code and storage."""

    def __init__(self, machine: Machine, tags: params.Tags) -> None:
        self._machine = machine
        self._tags = tags

    def methods(self) -> dict[str, Callable[..., object]]:
        """Return the methods by their JSON-RPC names."""
        return {
            "eth_getBalance": self._balance,
            "eth_getTransactionCount": self._transaction_count,
            "eth_getCode": self._code,
            "eth_getStorageAt": self._storage_at,
        }

    def _balance(self, account: object, block: object = "latest") -> str:
        return hex(self._state(block).get_balance(_canonical(account)))

    def _transaction_count(self, account: object, block: object = "latest") -> str:
        return hex(self._state(block).get_nonce(_canonical(account)))

    def _code(self, account: object, block: object = "latest") -> str:
        return bytes_to_hex(self._state(block).get_code(_canonical(account)))

    def _storage_at(self, account: object, slot: object, block: object = "latest") -> str:
        value = self._state(block).get_storage(_canonical(account), _slot(slot))
        return bytes_to_hex(value.to_bytes(32, "big"))

    def _state(self, block: object) -> StateAPI:
        return self._machine.state_of(self._tags.known_block(block))


def _canonical(account: object) -> CanonicalAddress:
    return CanonicalAddress(params.address(account))


def _slot(value: object) -> int:
    """Return a storage slot, which tools write as a quantity or as a whole 32-byte word."""
    if isinstance(value, str) and len(value) == 66:
        return int.from_bytes(params.data(value, length=32), "big")
    return params.quantity(value)
