"""Permit2's unordered nonces: which authorizations are used up, and using one up unspent."""

from __future__ import annotations

from typing import Final

from ...types import Address, TxRequest
from ..abi import Function
from ..blocks import BlockRef
from .base import Contract

NONCE_BITMAP: Final = Function("nonceBitmap(address owner, uint256 word)", "uint256")
INVALIDATE: Final = Function("invalidateUnorderedNonces(uint256 word, uint256 mask)")
_WORD_BITS: Final = 8
"""A nonce's last 8 bits name a bit, the others a 256-bit word."""


class Permit2(Contract):
    """Permit2's SignatureTransfer side: a nonce is one bit, and can be used once."""

    async def nonce_bitmap(self, owner: Address, word: int, *, block: BlockRef = "latest") -> int:
        """Return the 256 used-bits of one word of ``owner``'s nonces."""
        (bitmap,) = await self._read(NONCE_BITMAP, owner, word, block=block)
        return int(bitmap)

    async def is_nonce_used(
        self, owner: Address, nonce: int, *, block: BlockRef = "latest"
    ) -> bool:
        """Whether ``nonce`` was used: by a settlement, or by `invalidate_nonce`.

        A used nonce alone does not prove a payment.
        """
        bitmap = await self.nonce_bitmap(owner, nonce >> _WORD_BITS, block=block)
        return bool(bitmap & _bit(nonce))

    def invalidate_unordered_nonces(self, word: int, mask: int) -> TxRequest:
        """Return a transaction that uses up the nonces of ``word`` whose bits are set in ``mask``.

        It moves no token. It is marked as meant because every unmarked transaction that touches
        Permit2 is refused.
        """
        return self._transaction(INVALIDATE, word, mask, allow_spend=True)

    def invalidate_nonce(self, nonce: int) -> TxRequest:
        """Return a transaction that makes the authorization with ``nonce`` void."""
        return self.invalidate_unordered_nonces(nonce >> _WORD_BITS, _bit(nonce))


def _bit(nonce: int) -> int:
    return 1 << (nonce & 0xFF)
