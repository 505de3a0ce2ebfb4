"""What it means when a node does not take a transaction."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Final, TypeAlias

from ...errors import ChainError, LedgerError, NonceError, OpenGradientError, RpcError, Spent
from ...types import Address, Bytes32
from ..node_errors import Fault, FaultKind
from ..rpc import Rpc
from .followed import Followed, Sent
from .journal import TxJournal
from .nonces import NonceLeases
from .slots import SlotState

_NOT_MISSING: Final = (SlotState.LEASED, SlotState.SIGNED, SlotState.SENDING, SlotState.MINED)


class Reception(Enum):
    """How the chain received a transaction that it did not refuse."""

    NEW = auto()
    KNOWN = auto()
    HELD = auto()
    """A lower nonce is on its way, and this node takes none before it: sent when that is there."""
    USED = auto()
    """Its nonce is used; whether by this transaction, the poller finds out."""
    AGAIN = auto()
    """The node was wrong about it."""


Answer: TypeAlias = Reception | ChainError


class LowerNonces:
    """Which nonces of an account somebody is taking care of, read once for a whole batch."""

    def __init__(self, rpc: Rpc, journal: TxJournal, nonces: NonceLeases, owner: Address) -> None:
        self._rpc = rpc
        self._journal = journal
        self._nonces = nonces
        self._owner = owner
        self._reading = asyncio.Lock()
        self._known: tuple[int, frozenset[int]] | None = None

    async def are_on_their_way(self, nonce: int) -> bool:
        """Return whether every nonce between the chain's count and ``nonce`` is spoken for.

        Raises:
            RpcError, LedgerError: It cannot be found out.
        """
        async with self._reading:
            if self._known is None:
                account = await self._nonces.account(self._owner)
                slots = await self._journal.slots(account, *_NOT_MISSING)
                count = await self._rpc.transaction_count(self._owner)
                self._known = count, frozenset(slot.nonce for slot in slots)
        count, spoken_for = self._known
        return all(lower in spoken_for for lower in range(count, nonce))


class Judge:
    """Decides, and tells the journal, what became of a transaction that met with an error.

    Only a definite refusal of bytes that no node can have yet ends a transaction. Everything else
    may still be mined, and is followed.
    """

    def __init__(self, rpc: Rpc, journal: TxJournal, nonces: NonceLeases) -> None:
        self._rpc = rpc
        self._journal = journal
        self._nonces = nonces

    def lower_nonces(self, owner: Address) -> LowerNonces:
        """Return what is known below the nonces of one batch of ``owner``."""
        return LowerNonces(self._rpc, self._journal, self._nonces, owner)

    def of_known(self, slot: Followed, sent: Sent, fault: Fault) -> Answer:
        """Return what ``fault`` means for bytes that some node may have had before."""
        match fault.kind:
            case FaultKind.NONCE_TOO_HIGH:
                return Reception.HELD
            case FaultKind.NONCE_TOO_LOW:
                return Reception.USED
            case _:
                error = fault.to_error()
                slot.complaint = error.short_message
                return outcome_unknown(sent, error)

    async def of_new(self, slot: Followed, sent: Sent, fault: Fault, lower: LowerNonces) -> Answer:
        """Return what ``fault`` means for bytes that are sent for the first time."""
        try:
            match fault.kind:
                case FaultKind.NONCE_TOO_LOW:
                    return await self._nonce_used(slot, sent, fault)
                case FaultKind.NONCE_TOO_HIGH if await lower.are_on_their_way(slot.nonce):
                    sent.may_be_out = True
                    return Reception.HELD
                case _ if fault.refuses_transaction:
                    return await self.refuse(slot, sent, fault.to_error())
                case _:
                    return outcome_unknown(sent, fault.to_error())
        except (RpcError, LedgerError) as error:
            return outcome_unknown(sent, error)

    async def refuse(self, slot: Followed, sent: Sent, error: ChainError) -> ChainError:
        """Note that no node has ``sent`` and none will; return ``error``.

        Raises:
            LedgerError: It cannot be written down, so that it may be sent again.
        """
        await self._journal.refused(await self._nonces.account(slot.sender), sent.signed.hash)
        sent.refused = True
        return error

    async def _nonce_used(self, slot: Followed, sent: Sent, fault: Fault) -> Answer:
        """Find out who has the nonce: this transaction, another one of ours, a stranger, nobody."""
        if await self._rpc.get_transaction(sent.signed.hash) is not None:
            return Reception.KNOWN  # the answer to a first try was lost
        if (mined := await self._mined_instead(slot, sent)) is not None:
            return await self.refuse(
                slot,
                sent,
                NonceError(
                    f"nonce {slot.nonce} is used: {mined} was mined before it could be replaced",
                    hint="Nothing of the replacement happened.",
                ),
            )
        if not await self._nonces.is_taken(slot.sender, slot.nonce, list(slot.attempts)):
            return Reception.AGAIN
        await self._journal.taken(await self._nonces.account(slot.sender), [slot.nonce])
        for each in slot.attempts.values():
            each.refused = True
        return fault.to_error()

    async def _mined_instead(self, slot: Followed, sent: Sent) -> Bytes32 | None:
        for hash in slot.attempts:
            if hash != sent.signed.hash and await self._rpc.get_receipt(hash) is not None:
                return hash
        return None


def outcome_unknown(sent: Sent, cause: OpenGradientError) -> RpcError:
    """Return the error of a transaction that may have arrived, which it is from here on.

    Words that no reader of node errors knows prove no refusal either.
    """
    sent.may_be_out = True
    error = RpcError(
        cause.short_message,
        hint=f"It is not known whether {sent.signed.hash} arrived. It goes on being followed and "
        "sent again; chain.follow(signed) waits for it. Build no other one in its place before.",
    )
    if isinstance(cause, RpcError):
        error.code, error.data, error.url = cause.code, cause.data, cause.url
    error.spent = Spent.MAYBE
    error.__cause__ = cause
    return error
