"""Tokens that settle a signed transfer themselves, such as USDC (EIP-3009)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...types import Address, Bytes32, TxRequest
from ..abi import AbiError, Function
from ..blocks import BlockRef
from .base import Contract

TRANSFER_WITH_AUTHORIZATION: Final = Function(
    "transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter,"
    "uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)"
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


class Eip3009(Contract):
    """The EIP-3009 side of a token."""

    async def is_nonce_used(
        self, authorizer: Address, nonce: Bytes32, *, block: BlockRef = "latest"
    ) -> bool:
        """Whether the authorization with ``nonce`` was settled or cancelled."""
        (used,) = await self._read(AUTHORIZATION_STATE, authorizer, nonce, block=block)
        return bool(used)

    def transfer_with_authorization(
        self, authorization: TransferAuthorization, signature: bytes
    ) -> TxRequest:
        """Return the transaction that settles ``authorization``; anybody may send it.

        Raises:
            AbiError: ``signature`` is not 65 bytes ``r || s || v``, or a number is out of range.
        """
        if len(signature) != _SIGNATURE_BYTES:
            raise AbiError(f"a signature has {_SIGNATURE_BYTES} bytes, not {len(signature)}")
        r, s, v = signature[:32], signature[32:64], signature[64]
        a = authorization
        return self._transaction(
            TRANSFER_WITH_AUTHORIZATION,
            a.sender, a.to, a.value, a.valid_after, a.valid_before, a.nonce, v, r, s,
            allow_spend=True,
        )  # fmt: skip
