"""Permit2: unordered nonces of signed transfers, and the allowances beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ...types import Address, Bytes32, TxRequest
from ..abi import Function
from ..blocks import BlockRef
from .base import Contract, Read
from .events import Event

NONCE_BITMAP: Final = Function("nonceBitmap(address owner, uint256 word)", "uint256")
INVALIDATE: Final = Function("invalidateUnorderedNonces(uint256 word, uint256 mask)")
PERMIT_WITNESS_TRANSFER_FROM: Final = Function(
    "permitWitnessTransferFrom(((address token, uint256 amount) permitted, uint256 nonce,"
    "uint256 deadline) permit, (address to, uint256 amount) details, address owner,"
    "bytes32 witness, string witnessTypeString, bytes signature)"
)
DOMAIN_SEPARATOR: Final = Function("DOMAIN_SEPARATOR()", "bytes32")
ALLOWANCE: Final = Function(
    "allowance(address owner, address token, address spender)",
    "uint160 amount, uint48 expiration, uint48 nonce",
)
LOCKDOWN: Final = Function("lockdown((address token, address spender)[] approvals)")
_WORD_BITS: Final = 8
"""A nonce's last 8 bits name a bit, the others a 256-bit word."""


@dataclass(frozen=True, slots=True)
class UnorderedNonceInvalidation:
    """``owner`` made the nonces of ``word`` whose bits are set in ``mask`` void.

    A settlement uses its nonce without this event.
    """

    owner: Address
    word: int
    mask: int

    def covers(self, nonce: int) -> bool:
        """Whether ``nonce`` is among those that were made void."""
        return nonce >> _WORD_BITS == self.word and bool(self.mask & _bit(nonce))


@dataclass(frozen=True, slots=True)
class Permit2Allowance:
    """What a spender may move without a signature: atoms, until Unix second ``expiration``."""

    amount: int
    expiration: int
    nonce: int


@dataclass(frozen=True, slots=True)
class WitnessTransfer:
    """A signed transfer as its spender collects it.

    Attributes:
        token: The asset.
        permitted: What ``owner`` signed at most, in atoms.
        nonce: The unordered nonce.
        deadline: When the signature ends, in Unix seconds.
        to: Who gets it.
        amount: What is taken, in atoms.
        owner: Who signed.
        witness: The hash of what was signed beside the transfer.
        witness_type: The rest of the signed type, from the witness on.
        signature: The owner's signature.
    """

    token: Address
    permitted: int
    nonce: int
    deadline: int
    to: Address
    amount: int
    owner: Address
    witness: Bytes32
    witness_type: str
    signature: bytes = field(repr=False)


UNORDERED_NONCE_INVALIDATION: Final = Event(
    "UnorderedNonceInvalidation(address indexed owner, uint256 word, uint256 mask)",
    UnorderedNonceInvalidation,
)


class Permit2(Contract):
    """Permit2: a nonce is one bit, and can be used once.

    Every transaction that touches Permit2 is marked as meant, because an unmarked one is refused.
    """

    UNORDERED_NONCE_INVALIDATION: Final = UNORDERED_NONCE_INVALIDATION

    def nonce_bitmap(self, owner: Address, word: int, *, block: BlockRef = "latest") -> Read[int]:
        """Return the 256 used-bits of one word of ``owner``'s nonces."""
        return self._read(NONCE_BITMAP, owner, word, into=int, block=block)

    def is_nonce_used(
        self, owner: Address, nonce: int, *, block: BlockRef = "latest"
    ) -> Read[bool]:
        """Whether ``nonce`` was used: by a settlement, or by `invalidate_nonce`.

        A used nonce alone does not prove a payment.
        """

        def is_set(bitmap: int) -> bool:
            return bool(bitmap & _bit(nonce))

        return self._read(NONCE_BITMAP, owner, nonce >> _WORD_BITS, into=is_set, block=block)

    def domain_separator(self, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the hash of the domain that transfers are signed in (EIP-712)."""
        return self._read(DOMAIN_SEPARATOR, into=Bytes32, block=block)

    def allowance(
        self, owner: Address, token: Address, spender: Address, *, block: BlockRef = "latest"
    ) -> Read[Permit2Allowance]:
        """Return what ``spender`` may move of ``owner``'s ``token`` without another signature.

        The network never asks for such an allowance; `lockdown` takes one back.
        """
        return self._read(ALLOWANCE, owner, token, spender, into=Permit2Allowance, block=block)

    def invalidate_unordered_nonces(self, word: int, mask: int) -> TxRequest:
        """Return a transaction that uses up the nonces of ``word`` whose bits are set in ``mask``.

        It moves no token.
        """
        return self._transaction(INVALIDATE, word, mask, allow_spend=True)

    def invalidate_nonce(self, nonce: int) -> TxRequest:
        """Return a transaction that makes the authorization with ``nonce`` void."""
        return self.invalidate_unordered_nonces(nonce >> _WORD_BITS, _bit(nonce))

    def lockdown(self, approvals: Sequence[tuple[Address, Address]]) -> TxRequest:
        """Return a transaction that takes back the allowances of these (token, spender) pairs."""
        return self._transaction(LOCKDOWN, tuple(approvals), allow_spend=True)

    def permit_witness_transfer_from(self, transfer: WitnessTransfer) -> TxRequest:
        """Return the transaction that collects ``transfer``; only its spender may send it.

        The x402 proxies are such spenders: to settle a payment, call one of them instead.
        """
        t = transfer
        permit = ((t.token, t.permitted), t.nonce, t.deadline)
        return self._transaction(
            PERMIT_WITNESS_TRANSFER_FROM,
            permit, (t.to, t.amount), t.owner, t.witness, t.witness_type, t.signature,
            allow_spend=True,
        )  # fmt: skip


def _bit(nonce: int) -> int:
    return 1 << (nonce & 0xFF)
