"""Which nonce a transaction gets: leases, so that concurrent builds never share one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ..types import Address
from .rpc import Rpc


@dataclass(slots=True)
class _Account:
    """``cursor`` is where the search for a free nonce starts; ``None`` means: ask the chain."""

    taken: set[int] = field(default_factory=set[int])
    cursor: int | None = None
    mined: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def start_at(self, count: int) -> None:
        self.taken = {nonce for nonce in self.taken if nonce >= count}
        self.cursor = count

    def take(self) -> int:
        assert self.cursor is not None
        nonce = self.cursor
        while nonce in self.taken:
            nonce += 1
        self.taken.add(nonce)
        self.cursor = nonce + 1
        return nonce


class NonceLeases:
    """The nonces of accounts on one chain, as this process hands them out.

    A nonce is leased when a transaction is built. It ends as mined, or is given back when the
    transaction was rejected, discarded, or did not surely reach the chain: then the chain is asked
    where to go on, so that no gap stays. Giving back a nonce whose transaction may still arrive is
    safe: of all transactions with one nonce, the chain mines one.

    With nothing in flight the chain is asked for every lease, since other programs may use the
    account too.
    """

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._accounts: dict[Address, _Account] = {}

    async def lease(self, owner: Address) -> int:
        """Return the lowest nonce that is neither used on chain nor leased here.

        Raises:
            RpcError: The chain could not be asked; nothing is leased.
        """
        account = self._accounts.setdefault(owner, _Account())
        async with account.asking:
            if account.cursor is None or not account.taken:
                count = await self._rpc.transaction_count(owner, "pending")
                # an endpoint that lags behind must not send us back to a nonce we saw mined
                account.start_at(max(count, account.mined))
            return account.take()

    def give_back(self, owner: Address, nonce: int) -> None:
        """End a lease whose transaction will not be mined, as far as is known."""
        if account := self._accounts.get(owner):
            account.taken.discard(nonce)
            account.cursor = None
            account.mined = 0  # whatever was believed led here; only the chain is believed now

    def mined(self, owner: Address, nonce: int) -> None:
        """End a lease whose transaction is in a block."""
        account = self._accounts.setdefault(owner, _Account())
        account.taken.discard(nonce)
        account.mined = max(account.mined, nonce + 1)
