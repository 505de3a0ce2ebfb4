"""Tokens that settle a signed transfer themselves, such as USDC (EIP-3009)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...types import Address, Bytes32, TxRequest
from ..abi import AbiError, Function
from ..blocks import BlockRef
from .base import Contract, Read
from .events import Event

TRANSFER_WITH_AUTHORIZATION: Final = Function(
    "transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter,"
    "uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)"
)
CANCEL_AUTHORIZATION: Final = Function(
    "cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)"
)
AUTHORIZATION_STATE: Final = Function(
    "authorizationState(address authorizer, bytes32 nonce)", "bool"
)
_SIGNATURE_BYTES: Final = 65


@dataclass(frozen=True, slots=True)
class TransferAuthorization:
    """A signed EIP-3009 transfer: ``value`` in atoms, both times in Unix seconds."""

    sender: Address
    to: Address
    value: int
    valid_after: int
    valid_before: int
    nonce: Bytes32


@dataclass(frozen=True, slots=True)
class AuthorizationUsed:
    """The authorization with ``nonce`` was settled."""

    authorizer: Address
    nonce: Bytes32


@dataclass(frozen=True, slots=True)
class AuthorizationCanceled:
    """The authorization with ``nonce`` was made void by whoever signed it."""

    authorizer: Address
    nonce: Bytes32


AUTHORIZATION_USED: Final = Event(
    "AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)", AuthorizationUsed
)
AUTHORIZATION_CANCELED: Final = Event(
    "AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce)",
    AuthorizationCanceled,
)


class Eip3009(Contract):
    """The EIP-3009 side of a token."""

    AUTHORIZATION_USED: Final = AUTHORIZATION_USED
    AUTHORIZATION_CANCELED: Final = AUTHORIZATION_CANCELED

    def is_nonce_used(
        self, authorizer: Address, nonce: Bytes32, *, block: BlockRef = "latest"
    ) -> Read[bool]:
        """Whether the authorization with ``nonce`` was settled or cancelled."""
        return self._read(AUTHORIZATION_STATE, authorizer, nonce, into=bool, block=block)

    def transfer_with_authorization(
        self, authorization: TransferAuthorization, signature: bytes
    ) -> TxRequest:
        """Return the transaction that settles ``authorization``; anybody may send it.

        Raises:
            AbiError: ``signature`` is not 65 bytes ``r || s || v``, or a number is out of range.
        """
        a = authorization
        return self._transaction(
            TRANSFER_WITH_AUTHORIZATION,
            a.sender, a.to, a.value, a.valid_after, a.valid_before, a.nonce, *_vrs(signature),
            allow_spend=True,
        )  # fmt: skip

    def cancel_authorization(
        self, authorizer: Address, nonce: Bytes32, signature: bytes
    ) -> TxRequest:
        """Return the transaction that makes an authorization void; anybody may send it.

        It moves no token. It is marked as meant, as all that touches a token by signature.

        Raises:
            AbiError: ``signature`` is not 65 bytes ``r || s || v``.
        """
        return self._transaction(
            CANCEL_AUTHORIZATION, authorizer, nonce, *_vrs(signature), allow_spend=True
        )


def _vrs(signature: bytes) -> tuple[int, bytes, bytes]:
    if len(signature) != _SIGNATURE_BYTES:
        raise AbiError(f"a signature has {_SIGNATURE_BYTES} bytes, not {len(signature)}")
    return signature[64], signature[:32], signature[32:64]
