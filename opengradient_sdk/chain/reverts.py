"""What a revert says, in words: error strings, panics and the custom errors of known contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from ..types import bytes_to_hex, keccak256
from .abi import AbiError, Function

_ERROR: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")
_MAX_SHOWN: Final = 300

_PANICS: Final[Mapping[int, str]] = {
    0x00: "generic panic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "value is no member of the enum",
    0x22: "badly encoded storage bytes",
    0x31: "pop of an empty array",
    0x32: "array index out of bounds",
    0x41: "too much memory allocated",
    0x51: "call of a function pointer that was never set",
}

_KNOWN: Final = (
    # Permit2
    "AllowanceExpired(uint256)",
    "ExcessiveInvalidation()",
    "InsufficientAllowance(uint256)",
    "InvalidAmount(uint256)",
    "InvalidContractSignature()",
    "InvalidNonce()",
    "InvalidSignature()",
    "InvalidSignatureLength()",
    "InvalidSigner()",
    "LengthMismatch()",
    "SignatureExpired(uint256)",
    # x402 proxies
    "AmountExceedsPermitted()",
    "InvalidAmount()",
    "InvalidDestination()",
    "InvalidOwner()",
    "InvalidPermit2Address()",
    "PaymentTooEarly()",
    "Permit2612AmountMismatch()",
    "ReentrancyGuardReentrantCall()",
    "UnauthorizedFacilitator()",
    # OPG: an OpenZeppelin ERC-20 with permit
    "ECDSAInvalidSignature()",
    "ECDSAInvalidSignatureLength(uint256)",
    "ECDSAInvalidSignatureS(bytes32)",
    "ERC20InsufficientAllowance(address,uint256,uint256)",
    "ERC20InsufficientBalance(address,uint256,uint256)",
    "ERC20InvalidApprover(address)",
    "ERC20InvalidReceiver(address)",
    "ERC20InvalidSender(address)",
    "ERC20InvalidSpender(address)",
    "ERC2612ExpiredSignature(uint256)",
    "ERC2612InvalidSigner(address,address)",
    "InvalidAccountNonce(address,uint256)",
    "InvalidShortString()",
    "SafeERC20FailedOperation(address)",
    "StringTooLong(string)",
    # TEERegistry, the relay and the verifiers
    "AccessControlBadConfirmation()",
    "AccessControlUnauthorizedAccount(address,bytes32)",
    "AttestationInvalid(string)",
    "HeartbeatSignatureInvalid()",
    "HeartbeatTimestampInFuture()",
    "HeartbeatTimestampTooOld()",
    "InvalidRegistryAddress()",
    "InvalidTEEType()",
    "KeyBindingFailed(string)",
    "NotTEEOwner()",
    "PCRAlreadyExists()",
    "PCRNotApproved()",
    "TEEAlreadyExists()",
    "TEENotEnabled()",
    "TEENotFound()",
    "TEETypeExists()",
    "TEETypeNotFound()",
)


def error_table(signatures: Iterable[str]) -> Mapping[bytes, str]:
    """Return selector → signature for custom errors such as ``"TooLate(uint256)"``."""
    return MappingProxyType({keccak256(text.encode())[:4]: text for text in signatures})


@cache
def known_errors() -> Mapping[bytes, str]:
    """Return the custom errors of the contracts that this package works with, by selector."""
    return error_table(_KNOWN)  # hashed at the first revert, not at import


def decode_revert(data: bytes, errors: Mapping[bytes, str] | None = None) -> str:
    """Return the revert in words; never raises, since it explains an error that already happened.

    ``errors`` (selector → signature, see ``error_table``) goes before the known contracts' errors.
    """
    if not data:
        return "no reason given"
    selector = data[:4]
    if selector == _ERROR:
        said = _arguments("Error(string)", data)
        return "an undecodable reason" if said is None else str(said[0])[:_MAX_SHOWN]
    if selector == _PANIC:
        return _panic(data)
    signature = (errors or {}).get(selector) or known_errors().get(selector)
    if signature is None:
        return f"an unknown custom error {_shown(data)}"
    name = signature.partition("(")[0]
    values = _arguments(signature, data)
    if values is None:
        return f"{name}(undecodable: {_shown(data[4:])})"
    return f"{name}({', '.join(_word(value) for value in values)})"


def _panic(data: bytes) -> str:
    if len(data) != 36:
        return f"a malformed panic {_shown(data)}"
    code = int.from_bytes(data[4:], "big")
    return f"panic 0x{code:02x}: {_PANICS.get(code, 'an unknown code')}"


def _arguments(signature: str, data: bytes) -> tuple[object, ...] | None:
    try:
        return Function(signature).decode_args(data)
    except AbiError:
        return None


def _word(value: object) -> str:
    if isinstance(value, bytes):
        return bytes_to_hex(value)
    return repr(value) if isinstance(value, str) and not value.startswith("0x") else str(value)


def _shown(data: bytes) -> str:
    text = bytes_to_hex(data)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}… ({len(data)} bytes)"
