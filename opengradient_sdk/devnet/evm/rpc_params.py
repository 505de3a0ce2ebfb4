"""Reading JSON-RPC parameters: what cannot be understood is an error, never a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from .errors import invalid_params, refused
from .fork import GAS_LIMIT
from .machine import Call, Machine

if TYPE_CHECKING:
    from .records import MinedBlock

_QUANTITY: Final = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]*)\Z")
_DATA: Final = re.compile(r"0x([0-9a-fA-F]{2})*\Z")
_MAX_QUANTITY: Final = 2**256 - 1


class Tags:
    """Which block each tag means; ``finality_depth`` is how far ``finalized`` lags ``latest``.

    ``safe`` lags half as far. ``pending`` has the state of ``latest``: every transaction is mined
    at once, so nothing is ever waiting.
    """

    def __init__(self, machine: Machine, finality_depth: int) -> None:
        self._machine = machine
        self._lags = {
            "latest": 0,
            "pending": 0,
            "safe": finality_depth // 2,
            "finalized": finality_depth,
        }

    def block(self, parameter: object) -> MinedBlock | None:
        """Return the block that a number, a tag or an EIP-1898 object names, if there is one."""
        if isinstance(parameter, Mapping):
            return self._by_object(cast("Mapping[str, object]", parameter))
        if parameter == "earliest":
            return self._machine.blocks[0]
        if isinstance(parameter, str) and parameter in self._lags:
            return self._machine.blocks[max(0, self._machine.head.number - self._lags[parameter])]
        number = quantity(parameter)
        return self._machine.blocks[number] if number <= self._machine.head.number else None

    def known_block(self, parameter: object) -> MinedBlock:
        """Return the block that ``parameter`` names.

        Raises:
            JsonRpcError: There is no such block.
        """
        block = self.block(parameter)
        if block is None:
            raise refused("header not found")
        return block

    def _by_object(self, parameter: Mapping[str, object]) -> MinedBlock | None:
        has_hash, has_number = "blockHash" in parameter, "blockNumber" in parameter
        if has_hash == has_number:
            raise invalid_params("a block object has either blockHash or blockNumber")
        if has_hash:
            return self._machine.by_hash.get(data(parameter["blockHash"], length=32))
        return self.block(parameter["blockNumber"])


def quantity(value: object) -> int:
    """Return the integer of a JSON-RPC quantity."""
    if not isinstance(value, str) or not _QUANTITY.match(value):
        raise invalid_params(f"not a hex quantity: {_shown(value)}")
    number = int(value, 16)
    if number > _MAX_QUANTITY:
        raise invalid_params("a quantity has at most 256 bits")
    return number


def data(value: object, *, length: int | None = None) -> bytes:
    """Return the bytes of JSON-RPC data, of exactly ``length`` bytes where that is given."""
    if not isinstance(value, str) or not _DATA.match(value):
        raise invalid_params(f"not hex data: {_shown(value)}")
    decoded = bytes.fromhex(value[2:])
    if length is not None and len(decoded) != length:
        raise invalid_params(f"{length} bytes are needed, not {len(decoded)}: {_shown(value)}")
    return decoded


def address(value: object) -> bytes:
    """Return the 20 bytes of an address, whatever its letter case: checksums are for people."""
    return data(value, length=20)


def flag(value: object) -> bool:
    """Return a boolean parameter."""
    if not isinstance(value, bool):
        raise invalid_params(f"a boolean is needed: {_shown(value)}")
    return value


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object parameter."""
    if not isinstance(value, Mapping):
        raise invalid_params(f"an object is needed: {_shown(value)}")
    return cast("Mapping[str, Any]", value)


def items(value: object) -> Sequence[object]:
    """Return a list parameter."""
    if not isinstance(value, list):
        raise invalid_params(f"a list is needed: {_shown(value)}")
    return cast("list[object]", value)


def one_or_many(value: object) -> Sequence[object]:
    """Return the entries of a parameter that may be nothing, one value or a list of them."""
    if value is None:
        return ()
    return cast("list[object]", value) if isinstance(value, list) else (value,)


def message_call(value: object) -> Call:
    """Return the message of ``eth_call`` and ``eth_estimateGas``.

    Fees are read past: a call that is not mined costs nothing here.
    """
    fields = mapping(value)
    if fields.get("to") is None and not (fields.get("data") or fields.get("input")):
        raise invalid_params("a call has a recipient or, to create a contract, data")
    return Call(
        sender=address(fields["from"]) if fields.get("from") is not None else bytes(20),
        to=address(fields["to"]) if fields.get("to") is not None else b"",
        data=_call_data(fields),
        value=_optional_quantity(fields, "value", 0),
        gas=min(_optional_quantity(fields, "gas", GAS_LIMIT), GAS_LIMIT),
        access_list=_access_list(fields.get("accessList")),
    )


def _call_data(fields: Mapping[str, object]) -> bytes:
    given = [data(fields[name]) for name in ("input", "data") if fields.get(name) is not None]
    if len(given) == 2 and given[0] != given[1]:
        raise invalid_params('both "data" and "input" are set and not equal; use "input"')
    return given[0] if given else b""


def _optional_quantity(fields: Mapping[str, object], name: str, default: int) -> int:
    return default if fields.get(name) is None else quantity(fields[name])


def _access_list(value: object) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    if value is None:
        return ()
    entries = [mapping(entry) for entry in items(value)]
    return tuple(
        (
            address(entry.get("address")),
            tuple(
                int.from_bytes(data(k, length=32), "big") for k in items(entry.get("storageKeys"))
            ),
        )
        for entry in entries
    )


def _shown(value: object) -> str:
    return repr(value)[:80]
