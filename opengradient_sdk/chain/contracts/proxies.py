"""The two x402 proxies that settle Permit2 authorizations (x402 schemes ``upto`` and ``exact``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ...types import Address, Bytes32, TxRequest
from ..abi import AbiError, Function
from ..blocks import BlockRef
from .base import Contract, Read
from .eip2612 import Eip2612Permit
from .events import Event

_PERMIT: Final = "((address token, uint256 amount) permitted, uint256 nonce, uint256 deadline)"
_PERMIT_2612: Final = "(uint256 value, uint256 deadline, bytes32 r, bytes32 s, uint8 v)"
_UPTO: Final = (
    f"{_PERMIT} permit, uint256 amount, address owner,"
    "(address to, address facilitator, uint256 validAfter) witness, bytes signature"
)
_EXACT: Final = (
    f"{_PERMIT} permit, address owner, (address to, uint256 validAfter) witness, bytes signature"
)
UPTO_SETTLE: Final = Function(f"settle({_UPTO})")
UPTO_SETTLE_WITH_PERMIT: Final = Function(f"settleWithPermit({_PERMIT_2612} permit2612, {_UPTO})")
EXACT_SETTLE: Final = Function(f"settle({_EXACT})")
EXACT_SETTLE_WITH_PERMIT: Final = Function(f"settleWithPermit({_PERMIT_2612} permit2612, {_EXACT})")
PERMIT2: Final = Function("PERMIT2()", "address")
WITNESS_TYPEHASH: Final = Function("WITNESS_TYPEHASH()", "bytes32")
WITNESS_TYPE_STRING: Final = Function("WITNESS_TYPE_STRING()", "string")


@dataclass(frozen=True, slots=True)
class Settled:
    """A payment was settled; who paid whom is in the token's Transfer of the same transaction."""


@dataclass(frozen=True, slots=True)
class SettledWithPermit:
    """As `Settled`, by the call that carries an EIP-2612 permit."""


@dataclass(frozen=True, slots=True)
class PermitFailed:
    """The permit of a settlement failed, which is no error where the allowance is there already.

    What the token said is a text, a panic code, or other revert data.
    """

    token: Address
    owner: Address
    reason: str = ""
    error_code: int | None = None
    data: bytes = b""


SETTLED_EVENT: Final = Event("Settled()", Settled)
SETTLED_WITH_PERMIT_EVENT: Final = Event("SettledWithPermit()", SettledWithPermit)
_FAILED: Final = "EIP2612PermitFailedWith{}(address indexed token, address indexed owner, {})"
PERMIT_FAILED_WITH_REASON: Final = Event(_FAILED.format("Reason", "string reason"), PermitFailed)
PERMIT_FAILED_WITH_PANIC: Final = Event(_FAILED.format("Panic", "uint256 error_code"), PermitFailed)
PERMIT_FAILED_WITH_DATA: Final = Event(_FAILED.format("Data", "bytes data"), PermitFailed)


@dataclass(frozen=True, slots=True)
class SettleCall:
    """The arguments of a settlement: who pays whom how much, under which authorization.

    Attributes:
        token: The asset.
        permitted: The authorization's cap, in atoms.
        nonce: The authorization's Permit2 nonce.
        deadline: When the authorization ends, in Unix seconds.
        amount: What is charged, in atoms; with the exact proxy always ``permitted``.
        owner: Who pays.
        to: Who is paid.
        facilitator: Who alone may call; ``None`` with the exact proxy, where anybody may.
        valid_after: When the authorization begins, in Unix seconds.
        signature: The owner's signature.
        permit: The EIP-2612 permit of ``settleWithPermit``.
    """

    token: Address
    permitted: int
    nonce: int
    deadline: int
    amount: int
    owner: Address
    to: Address
    facilitator: Address | None
    valid_after: int
    signature: bytes = field(repr=False)
    permit: Eip2612Permit | None = None


class SettlementProxy(Contract):
    """What both proxies have."""

    SETTLED: Final = SETTLED_EVENT
    SETTLED_WITH_PERMIT: Final = SETTLED_WITH_PERMIT_EVENT
    PERMIT_FAILED: Final = (
        PERMIT_FAILED_WITH_REASON,
        PERMIT_FAILED_WITH_PANIC,
        PERMIT_FAILED_WITH_DATA,
    )

    def permit2(self, *, block: BlockRef = "latest") -> Read[Address]:
        """Return the Permit2 that payments are collected through."""
        return self._read(PERMIT2, into=Address, block=block)

    def witness_typehash(self, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the hash of the type of what is signed beside the transfer (EIP-712)."""
        return self._read(WITNESS_TYPEHASH, into=Bytes32, block=block)

    def witness_type_string(self, *, block: BlockRef = "latest") -> Read[str]:
        """Return the rest of the signed type, from the witness on, as Permit2 takes it."""
        return self._read(WITNESS_TYPE_STRING, into=str, block=block)


class UptoProxy(SettlementProxy):
    """The ``upto`` proxy: charges any amount up to the authorization's cap."""

    def settle(self, call: SettleCall) -> TxRequest:
        """Return the transaction that charges ``call.owner``; its facilitator sends it."""
        return TxRequest(to=self.address, data=self.encode_settle(call), allow_spend=True)

    @staticmethod
    def encode_settle(call: SettleCall) -> bytes:
        """Return the calldata of ``settle``, or of ``settleWithPermit`` where there is a permit.

        Raises:
            AbiError: No facilitator, or a number out of range.
        """
        witness = (call.to, call.facilitator, call.valid_after)
        arguments = (_authorization(call), call.amount, call.owner, witness, call.signature)
        if call.permit is None:
            return UPTO_SETTLE.encode(*arguments)
        return UPTO_SETTLE_WITH_PERMIT.encode(_permit(call.permit), *arguments)

    @staticmethod
    def decode_settle(calldata: bytes) -> SettleCall:
        """Return what ``calldata`` settles.

        Raises:
            AbiError: Neither ``settle`` nor ``settleWithPermit`` of the upto proxy.
        """
        permit, arguments = _arguments(UPTO_SETTLE, UPTO_SETTLE_WITH_PERMIT, calldata)
        ((token, permitted), nonce, deadline), amount, owner, witness, signature = arguments
        to, facilitator, valid_after = witness
        return SettleCall(
            token, permitted, nonce, deadline, amount, owner, to, facilitator, valid_after,
            signature, permit,
        )  # fmt: skip


class ExactProxy(SettlementProxy):
    """The ``exact`` proxy: charges the whole authorization, whoever calls it."""

    def settle(self, call: SettleCall) -> TxRequest:
        """Return the transaction that charges ``call.owner`` all of ``call.permitted``."""
        return TxRequest(to=self.address, data=self.encode_settle(call), allow_spend=True)

    @staticmethod
    def encode_settle(call: SettleCall) -> bytes:
        """Return the calldata of ``settle``, or of ``settleWithPermit`` where there is a permit.

        Raises:
            AbiError: An amount other than the permitted one, a facilitator (this proxy knows
                none), or a number out of range.
        """
        if call.amount != call.permitted or call.facilitator is not None:
            raise AbiError("the exact proxy charges the permitted amount and binds no facilitator")
        arguments = (_authorization(call), call.owner, (call.to, call.valid_after), call.signature)
        if call.permit is None:
            return EXACT_SETTLE.encode(*arguments)
        return EXACT_SETTLE_WITH_PERMIT.encode(_permit(call.permit), *arguments)

    @staticmethod
    def decode_settle(calldata: bytes) -> SettleCall:
        """Return what ``calldata`` settles.

        Raises:
            AbiError: Neither ``settle`` nor ``settleWithPermit`` of the exact proxy.
        """
        permit, arguments = _arguments(EXACT_SETTLE, EXACT_SETTLE_WITH_PERMIT, calldata)
        ((token, permitted), nonce, deadline), owner, (to, valid_after), signature = arguments
        return SettleCall(
            token, permitted, nonce, deadline, permitted, owner, to, None, valid_after,
            signature, permit,
        )  # fmt: skip


def _authorization(call: SettleCall) -> tuple[object, ...]:
    return ((call.token, call.permitted), call.nonce, call.deadline)


def _permit(permit: Eip2612Permit) -> tuple[object, ...]:
    return (permit.value, permit.deadline, permit.r, permit.s, permit.v)


def _arguments(
    plain: Function, with_permit: Function, calldata: bytes
) -> tuple[Eip2612Permit | None, tuple[Any, ...]]:
    if calldata[:4] != with_permit.selector:
        return None, plain.decode_args(calldata)
    permit, *arguments = with_permit.decode_args(calldata)
    return Eip2612Permit(*permit), tuple(arguments)
