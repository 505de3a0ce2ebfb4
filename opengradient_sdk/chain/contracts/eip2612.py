"""Tokens whose allowance can be given by a signature (EIP-2612), as OPG's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ...types import Address, Bytes32, TxRequest
from ..abi import Function
from ..blocks import BlockRef
from .base import Contract, Read

NONCES: Final = Function("nonces(address owner)", "uint256")
DOMAIN_SEPARATOR: Final = Function("DOMAIN_SEPARATOR()", "bytes32")
EIP712_DOMAIN: Final = Function(
    "eip712Domain()",
    "bytes1 fields, string name, string version, uint256 chainId, address verifyingContract,"
    "bytes32 salt, uint256[] extensions",
)
PERMIT: Final = Function(
    "permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r,"
    "bytes32 s)"
)


@dataclass(frozen=True, slots=True)
class Eip2612Permit:
    """An EIP-2612 signature that sets an allowance.

    ``value`` is in atoms, ``deadline`` in Unix seconds.
    """

    value: int
    deadline: int
    r: Bytes32 = field(repr=False)
    s: Bytes32 = field(repr=False)
    v: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Eip712Domain:
    """The domain that a contract signs in, as it says itself (EIP-5267).

    ``fields`` is a byte whose bits say which of the others count.
    """

    fields: bytes
    name: str
    version: str
    chain_id: int
    verifying_contract: Address
    salt: Bytes32
    extensions: tuple[int, ...]


class Eip2612(Contract):
    """The EIP-2612 side of a token."""

    def nonce(self, owner: Address, *, block: BlockRef = "latest") -> Read[int]:
        """Return the nonce that ``owner``'s next permit must have."""
        return self._read(NONCES, owner, into=int, block=block)

    def domain_separator(self, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the hash of the domain that permits are signed in (EIP-712)."""
        return self._read(DOMAIN_SEPARATOR, into=Bytes32, block=block)

    def domain(self, *, block: BlockRef = "latest") -> Read[Eip712Domain]:
        """Return the domain that permits are signed in (EIP-5267)."""
        return self._read(EIP712_DOMAIN, into=Eip712Domain, block=block)

    def permit(self, owner: Address, spender: Address, permit: Eip2612Permit) -> TxRequest:
        """Return the transaction that gives ``spender`` the allowance that ``owner`` signed.

        It moves nothing itself. It is marked as meant, because whoever sends it cannot see what
        else the owner signed.
        """
        p = permit
        return self._transaction(
            PERMIT, owner, spender, p.value, p.deadline, p.v, p.r, p.s, allow_spend=True
        )
