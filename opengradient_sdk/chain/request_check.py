"""What a transaction cannot be, said before anything is read, leased or signed."""

from __future__ import annotations

from typing import Final

from ..errors import ConfigurationError
from ..types import AccessList, Address, Bytes32, CodeAuthorization, TxRequest

_WORD: Final = 2**256 - 1
_HIGHEST_NONCE: Final = 2**64 - 2
_MOST_GAS: Final = 2**64 - 1


def check_request(request: TxRequest) -> None:
    """Return if a chain could take ``request``; asks no chain.

    Raises:
        ConfigurationError: A field is of another type, out of its range, or contradicts another
            one; the message names it. No nonce was taken.
    """
    _check_target(request)
    _check_numbers(request)
    _check_prices(request)
    if request.access_list:
        _check_access_list(request.access_list)
    if request.authorizations:
        _check_authorizations(request)


def _check_target(request: TxRequest) -> None:
    if request.to is not None:
        _check_address("to", request.to)
    _check_bytes(request.data)
    if request.to is None and not request.data:
        raise ConfigurationError(
            "the transaction has neither to nor data",
            hint="Set TxRequest.to, or data with a contract's creation code.",
        )


def _check_numbers(request: TxRequest) -> None:
    _check_whole("value", request.value, 0, _WORD, "wei")
    if request.gas is not None:
        _check_whole("gas", request.gas, 1, _MOST_GAS, "gas")
    if request.nonce is not None:
        # EIP-2681; a higher one would be signed and never mined
        _check_whole("nonce", request.nonce, 0, _HIGHEST_NONCE, "transactions")
    if request.chain_id is not None:
        _check_whole("chain_id", request.chain_id, 1, _WORD, "an EIP-155 chain id")


def _check_prices(request: TxRequest) -> None:
    price, cap, tip = request.gas_price, request.max_fee_per_gas, request.max_priority_fee_per_gas
    for name, wei in (
        ("gas_price", price),
        ("max_fee_per_gas", cap),
        ("max_priority_fee_per_gas", tip),
    ):
        if wei is not None:
            _check_whole(name, wei, 0, _WORD, "wei per gas")
    if price is not None and (cap is not None or tip is not None):
        raise ConfigurationError(
            "gas_price and max_fee_per_gas or max_priority_fee_per_gas exclude each other",
            hint="gas_price makes a legacy transaction; leave it open for one of EIP-1559.",
        )
    if cap is not None and tip is not None and tip > cap:
        raise ConfigurationError(
            f"max_priority_fee_per_gas ({tip} wei) is above max_fee_per_gas ({cap} wei)",
            hint="The tip is a part of the fee; lower it, or raise max_fee_per_gas.",
        )


def _check_access_list(access_list: AccessList) -> None:
    for address, keys in access_list:
        _check_address("access_list", address)
        for key in keys:
            _check_storage_key(key)


def _check_authorizations(request: TxRequest) -> None:
    if request.to is None:
        raise ConfigurationError(
            "a transaction with authorizations cannot create a contract: to is None (EIP-7702)",
            hint="Set TxRequest.to; the account itself will do.",
        )
    if request.gas_price is not None:
        raise ConfigurationError(
            "a transaction with authorizations has no gas_price (EIP-7702)",
            hint="Set max_fee_per_gas and max_priority_fee_per_gas, or leave both open.",
        )
    for one in request.authorizations:
        _check_authorization(one)


def _check_authorization(one: CodeAuthorization) -> None:
    _check_address("authorizations[…].address", one.address)
    for name, value, most in (
        ("chain_id", one.chain_id, _WORD),
        ("nonce", one.nonce, _HIGHEST_NONCE),
        ("y_parity", one.y_parity, 1),
        ("r", one.r, _WORD),
        ("s", one.s, _WORD),
    ):
        _check_whole(f"authorizations[…].{name}", value, 0, most, "what EIP-7702 says")


def _check_whole(name: str, value: object, least: int, most: int, what: str) -> None:
    if type(value) is not int:  # a bool is an int to Python, and 1.0 equals 1
        raise ConfigurationError(
            f"{name} is {_shown(value)}, a {type(value).__name__}",
            hint=f"{name} is a whole number (int) of {what}; Amount.atoms is one.",
        )
    if not least <= value <= most:
        raise ConfigurationError(
            f"{name} is {_shown(value)}, which no transaction can have",
            hint=f"{name} is between {least} and {_power(most)}: {what}.",
        )


def _check_address(name: str, value: object) -> None:
    if not isinstance(value, Address):
        raise ConfigurationError(
            f"{name} is {_shown(value)}, a {type(value).__name__} and no Address",
            hint='Write Address("0x…"): it checks the checksum.',
        )


def _check_bytes(value: object) -> None:
    if not isinstance(value, bytes):
        raise ConfigurationError(
            f"data is {_shown(value)}, a {type(value).__name__} and no bytes",
            hint="Write bytes.fromhex(…) for hex without 0x.",
        )


def _check_storage_key(value: object) -> None:
    if not isinstance(value, Bytes32):
        raise ConfigurationError(
            f"access_list has the storage key {_shown(value)}, a {type(value).__name__} "
            "and no Bytes32",
            hint='Write Bytes32("0x…"): 32 bytes.',
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _power(most: int) -> str:
    if most < 1000:
        return str(most)
    bits = most.bit_length()
    return f"2^{bits} - {2**bits - most}"
