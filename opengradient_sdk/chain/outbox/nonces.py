"""Which nonce a transaction gets: the book's leases, and the chain's count where it is needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ...errors import NonceError, RpcError
from ...types import Address, Bytes32
from .. import blocks
from ..endpoint import RpcCall
from ..rpc import Rpc
from .journal import TxJournal
from .slots import (
    Account,
    Blocked,
    Inclusion,
    Known,
    Leased,
    Overtaken,
    RequestKey,
    Slot,
    SlotState,
)

_MOST_READINGS: Final = 5
_READINGS_TO_BE_SURE: Final = 3
_READINGS_OF_A_LOSS: Final = 2
_DIGITS_OF_GENESIS: Final = 8

_log: Final = logging.getLogger("opengradient_sdk.chain")


@dataclass(slots=True)
class _Reading:
    """The last count that was read for an account; ``number`` counts the readings."""

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    number: int = 0
    count: int = 0


class NonceLeases:
    """The nonces of accounts on one chain, as the book of ``journal`` hands them out.

    With nothing of an account under way, the chain is asked where to go on, since other programs
    may use the account too. What one endpoint says is not taken for granted: it may lag behind,
    or lie.
    """

    def __init__(self, rpc: Rpc, journal: TxJournal) -> None:
        self._rpc = rpc
        self._journal = journal
        self._chain: str | None = None
        self._naming = asyncio.Lock()
        self._readings: dict[Address, _Reading] = {}

    async def account(self, owner: Address) -> Account:
        """Return what the book calls ``owner`` on this chain; the chain is asked once.

        Raises:
            RpcError: The chain could not be asked.
        """
        if self._chain is None:
            async with self._naming:
                if self._chain is None:
                    self._chain = await self._chain_name()
        return Account(self._chain, owner)

    async def lease(self, owner: Address, wanted: int = 1) -> Leased:
        """Return the ``wanted`` lowest nonces that are neither used on chain nor spoken for.

        Raises:
            RpcError: The chain could not be asked, or its endpoints disagree; nothing is leased.
            LedgerError: The book cannot be written; nothing is leased.
        """
        account = await self.account(owner)
        leased = await self._journal.lease(account, wanted)
        if leased is None:
            count = await self._count(account)
            leased = await self._journal.lease(account, wanted, count=count)
        assert leased is not None  # with a count there is nothing else to ask for
        return leased

    async def lease_for(self, owner: Address, request: RequestKey) -> Leased | Known | Blocked:
        """Return the slot of a request id, or lease a nonce for it; see ``TxJournal.lease_for``.

        Raises:
            RequestConflictError: The id was used for another transaction.
            NonceError: What became of the request's first transaction cannot be told yet.
            RpcError, LedgerError: As ``lease``.
        """
        account = await self.account(owner)
        found = await self._journal.lease_for(account, request)
        while found is None or isinstance(found, Overtaken):
            if found is None:
                count = await self._count(account)
                found = await self._journal.lease_for(account, request, count=count)
            else:
                await self._settle(account, found.slot)
                found = await self._journal.lease_for(account, request)
        return found

    async def known(self, owner: Address, request: RequestKey) -> Known | None:
        """Return what was signed for a request id and may be in the chain; nothing is leased.

        Raises:
            RequestConflictError: The id was used for another transaction.
            RpcError, LedgerError: As ``lease``.
        """
        return await self._journal.known(await self.account(owner), request)

    async def give_back(self, owner: Address, nonces: Sequence[int]) -> None:
        """Free leases whose transactions will not be sent.

        Raises:
            RpcError, LedgerError: As ``lease``; the leases expire by themselves.
        """
        await self._journal.give_back(await self.account(owner), nonces)

    async def is_taken(self, owner: Address, nonce: int, hashes: Sequence[Bytes32]) -> bool:
        """Return whether a transaction other than ``hashes`` has used the nonce for sure.

        A node's "nonce too low" may be a lie, or come from our own transaction in a block. Several
        readings in a row must all say that the nonce is used and that no hash is known.

        Raises:
            RpcError: The chain could not be asked.
        """
        calls: list[RpcCall] = [("eth_getTransactionCount", [owner, "latest"])]
        for hash_ in hashes:
            calls.append(("eth_getTransactionReceipt", [str(hash_)]))
            calls.append(("eth_getTransactionByHash", [str(hash_)]))
        for _ in range(_READINGS_TO_BE_SURE):
            count, *known = await self._rpc.batch(calls)
            if self._rpc.parse(blocks.quantity, count, "a transaction count") <= nonce:
                return False
            if any(answer is not None for answer in known):
                return False
        return True

    async def _chain_name(self) -> str:
        chain_id = await self._rpc.chain_id()
        genesis = await self._rpc.get_block(0)
        return f"{chain_id}-{genesis.hash.hex()[:_DIGITS_OF_GENESIS]}"

    async def _count(self, account: Account) -> int:
        """Return the chain's count; of many who ask at once, one asks the chain."""
        reading = self._readings.setdefault(account.address, _Reading())
        before = reading.number
        async with reading.asking:
            if reading.number == before:
                reading.count = await self._believed_count(account)
                reading.number += 1
            return reading.count

    async def _believed_count(self, account: Account) -> int:
        expected = await self._journal.next_known(account)
        count = await self._agreed_count(account.address, expected)
        if count < expected:
            top = await self._journal.highest_mined(account)
            if top is not None and top.nonce >= count and await self._is_gone(top):
                _log.warning(
                    "the chain %s went back: %s has %d transactions there, not %d",
                    account.chain,
                    account.address,
                    count,
                    top.nonce + 1,
                )
                await self._journal.rewound(account, count)
        return count

    async def _agreed_count(self, owner: Address, expected: int) -> int:
        """Return a count that is what the book expects, or that was read twice in a row."""
        readings: list[int] = []
        while len(readings) < _MOST_READINGS:
            count = await self._rpc.transaction_count(owner, "pending")
            if count == expected or [count] == readings[-1:]:
                return count
            readings.append(count)
        raise RpcError(
            f"the endpoints disagree about the next nonce of {owner}: {readings}",
            hint="Nothing was leased or sent. Try again, or name other endpoints.",
            url=", ".join(self._rpc.names),
        )

    async def _is_gone(self, top: Slot) -> bool:
        """Return whether the chain has forgotten the block that the book saw.

        An endpoint that has not come to that block lags behind, and the book is right; but never
        so far that it does not know what is final.
        """
        assert top.inclusion is not None  # of a slot whose block is known
        for _ in range(_READINGS_OF_A_LOSS):
            receipt, head = await self._rpc.batch(
                [
                    ("eth_getTransactionReceipt", [str(top.inclusion.hash)]),
                    ("eth_blockNumber", []),
                ]
            )
            number = self._rpc.parse(blocks.quantity, head, "a block number")
            lags = number < top.inclusion.block_number and top.state is not SlotState.FINAL
            if receipt is not None or lags:
                return False
        return True

    async def _settle(self, account: Account, slot: Slot) -> None:
        """Write down what used the nonce of a request's bytes.

        Raises:
            NonceError: It cannot be told yet.
        """
        hashes = [attempt.signed.hash for attempt in slot.attempts]
        for hash_ in hashes:
            if (receipt := await self._rpc.get_receipt(hash_)) is not None:
                block = Inclusion(slot.nonce, hash_, receipt.block_number, receipt.block_hash)
                return await self._journal.mined(account, [block])
        if not await self.is_taken(account.address, slot.nonce, hashes):
            raise NonceError(
                f"it is not known yet which transaction used the nonce {slot.nonce}",
                hint="Nothing was sent. Try again with the same request id.",
            )
        return await self._journal.taken(account, [slot.nonce])
