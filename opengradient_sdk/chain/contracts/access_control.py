"""Contracts whose functions are open to the holders of a role (OpenZeppelin's AccessControl)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...types import Address, Bytes32, TxRequest
from ..abi import Function
from ..blocks import BlockRef
from .base import Contract, Read
from .events import Event

DEFAULT_ADMIN_ROLE: Final = Bytes32(bytes(32))
"""The role whose holders give and take all other roles."""

HAS_ROLE: Final = Function("hasRole(bytes32 role, address account)", "bool")
GET_ROLE_ADMIN: Final = Function("getRoleAdmin(bytes32 role)", "bytes32")
GRANT_ROLE: Final = Function("grantRole(bytes32 role, address account)")
REVOKE_ROLE: Final = Function("revokeRole(bytes32 role, address account)")
RENOUNCE_ROLE: Final = Function("renounceRole(bytes32 role, address account)")


@dataclass(frozen=True, slots=True)
class RoleGranted:
    """``account`` got ``role`` from ``sender``."""

    role: Bytes32
    account: Address
    sender: Address


@dataclass(frozen=True, slots=True)
class RoleRevoked:
    """``account`` lost ``role``; ``sender`` took it, or is the account that gave it up."""

    role: Bytes32
    account: Address
    sender: Address


ROLE_GRANTED: Final = Event(
    "RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)",
    RoleGranted,
)
ROLE_REVOKED: Final = Event(
    "RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)",
    RoleRevoked,
)


class AccessControl(Contract):
    """The roles of a contract."""

    ROLE_GRANTED: Final = ROLE_GRANTED
    ROLE_REVOKED: Final = ROLE_REVOKED

    def has_role(
        self, role: Bytes32, account: Address, *, block: BlockRef = "latest"
    ) -> Read[bool]:
        """Whether ``account`` has ``role``."""
        return self._read(HAS_ROLE, role, account, into=bool, block=block)

    def role_admin(self, role: Bytes32, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the role whose holders give and take ``role``."""
        return self._read(GET_ROLE_ADMIN, role, into=Bytes32, block=block)

    def grant_role(self, role: Bytes32, account: Address) -> TxRequest:
        """Return the transaction that gives ``account`` a role; the role's admin sends it."""
        return self._transaction(GRANT_ROLE, role, account)

    def revoke_role(self, role: Bytes32, account: Address) -> TxRequest:
        """Return the transaction that takes a role from ``account``; the role's admin sends it."""
        return self._transaction(REVOKE_ROLE, role, account)

    def renounce_role(self, role: Bytes32, account: Address) -> TxRequest:
        """Return the transaction with which ``account`` itself gives a role up."""
        return self._transaction(RENOUNCE_ROLE, role, account)
