"""The two x402 proxies that settle Permit2 authorizations (x402 schemes ``upto`` and ``exact``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ...types import Address, Bytes32, TxRequest
from ..abi import AbiError, Event, Function
from .base import Contract

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
SETTLED_EVENT: Final = Event("Settled()")
SETTLED_WITH_PERMIT_EVENT: Final = Event("SettledWithPermit()")


@dataclass(frozen=True, slots=True)
class Eip2612Permit:
    """An EIP-2612 signature that sets the allowance right before a settlement.

    ``value`` is in atoms, ``deadline`` in Unix seconds.
    """

    value: int
    deadline: int
    r: Bytes32 = field(repr=False)
    s: Bytes32 = field(repr=False)
    v: int = field(repr=False)


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


class UptoProxy(Contract):
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


class ExactProxy(Contract):
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
