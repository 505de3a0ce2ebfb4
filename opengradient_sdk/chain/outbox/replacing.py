"""Another transaction with the same nonce: for a higher fee, other content, or nothing at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from ...errors import (
    ChainError,
    ConfigurationError,
    NonceError,
    RpcError,
    Spent,
)
from ...signers.guard import sign_checked
from ...signers.protocol import Signer
from ...types import PreparedTx, SignedTx, TxRequest, TxType
from ..draft import Draft
from ..rpc import Rpc
from .broadcast import Broadcaster
from .events import Announcer, RepricingRefused, TransactionReplaced
from .followed import Followed
from .journal import TxJournal
from .nonces import NonceLeases
from .pricing import LEAST_BUMP, FeeSource, Price, nothing
from .slots import AttemptKind

Complete: TypeAlias = Callable[[TxRequest], Awaitable[Draft]]
"""Fills a request's open fields in."""

_Reason: TypeAlias = Literal["repriced", "replaced", "cancelled"]
_KINDS: Final[dict[_Reason, AttemptKind]] = {
    "repriced": AttemptKind.REPRICED,
    "replaced": AttemptKind.REPLACEMENT,
    "cancelled": AttemptKind.CANCEL,
}


@dataclass(frozen=True, slots=True)
class BumpPolicy:
    """When a stuck transaction's fee is raised without asking, and how far.

    One that is unmined for ``after_blocks`` blocks and offers less than the chain takes now is
    signed again, by the same guarded signer, with a higher fee: never above ``most`` (wei per gas),
    nor ``most_percent`` of its first fee, nor a fee that its caller set.

    Raises:
        ConfigurationError: A figure that makes no sense.
    """

    after_blocks: int = 4
    most: int | None = None
    most_percent: int = 300
    enabled: bool = True

    def __post_init__(self) -> None:
        if self.after_blocks < 1 or self.most_percent < 100 or (self.most or 0) < 0:
            raise ConfigurationError(
                f"{self} cannot be followed",
                hint="after_blocks is at least 1, most_percent at least 100, most not negative. "
                "To keep fees as they are, set enabled=False.",
            )

    def cap(self, first: PreparedTx, fee_cap: int | None) -> int:
        """Return the most per gas (wei) that may be offered in the place of ``first``."""
        caps = [first.max_fee_per_gas * self.most_percent // 100]
        caps += [cap for cap in (self.most, fee_cap) if cap is not None]
        return min(caps)


class Replacer:
    """Makes, journals and sends a transaction in the place of one that is pending.

    The chain mines one of them; all stay followed until then.
    """

    def __init__(
        self,
        rpc: Rpc,
        journal: TxJournal,
        nonces: NonceLeases,
        *,
        signer: Signer | None,
        fees: FeeSource,
        complete: Complete,
        broadcaster: Broadcaster,
        announcer: Announcer,
    ) -> None:
        self._rpc = rpc
        self._journal = journal
        self._nonces = nonces
        self._signer = signer
        self._fees = fees
        self._complete = complete
        self._broadcaster = broadcaster
        self._announcer = announcer

    @property
    def signer(self) -> Signer | None:
        """Who signs, where anybody does."""
        return self._signer

    async def replace(
        self, slot: Followed, old: SignedTx, request: TxRequest | None, fee_bump: int | None
    ) -> SignedTx:
        """Send ``old`` at a higher fee, or ``request`` in its place; see ``PendingTx.replace``."""
        async with slot.changing:
            price = await self._price(slot, old, fee_bump)
            if request is None:
                return await self._send(slot, old, price.on(old.tx), "repriced")
            draft = await self._complete(_at(request, old.tx, price))
            return await self._send(slot, old, draft.prepared(old.tx.nonce), "replaced")

    async def cancel(self, slot: Followed, old: SignedTx, fee_bump: int | None) -> SignedTx:
        """Send nothing in the place of ``old``; see ``PendingTx.cancel``."""
        async with slot.changing:
            price = await self._price(slot, old, fee_bump)
            tx = nothing(old.tx.chain_id, slot.sender, slot.nonce, price, old.tx.type)
            return await self._send(slot, old, tx, "cancelled")

    async def reprice(self, slot: Followed, policy: BumpPolicy) -> None:
        """Raise the fee of a stuck transaction as far as ``policy`` allows, if that is enough.

        A signer or a chain that refuses is no failure: it goes on being followed as it is.
        """
        if slot.changing.locked():
            return  # its owner is at it
        async with slot.changing:
            best = slot.best
            if best is None or slot.receipt is not None:
                return
            tx = best.signed.tx
            wanted = Price.quoted(await self._fees.quote(self._rpc))
            least = Price.of(tx).raised(LEAST_BUMP)
            first = next(iter(slot.attempts.values())).signed.tx
            cap = policy.cap(first, slot.fee_cap)
            if not Price.of(tx).is_below(wanted) or least.max_fee > cap:
                return
            raised = least.at_least(wanted).within(cap).on(tx)
            try:
                await self._send(slot, best.signed, raised, "repriced")
            except Exception as error:  # noqa: BLE001 - a foreign signer may raise anything
                if isinstance(error, RpcError) and error.spent is Spent.MAYBE:
                    return  # it may have arrived: it is written down, followed and sent again
                event = RepricingRefused(best.signed.hash, slot.nonce, str(error))
                self._announcer.say(event)

    async def _price(self, slot: Followed, old: SignedTx, fee_bump: int | None) -> Price:
        """Return what is enough to replace whatever the nodes have for this nonce."""
        self._check(slot, old, fee_bump)
        best = slot.best
        held = Price.of(best.signed.tx if best is not None else old.tx)
        if fee_bump is not None:
            return held.raised(fee_bump)
        return held.raised(LEAST_BUMP).at_least(Price.quoted(await self._fees.quote(self._rpc)))

    def _check(self, slot: Followed, old: SignedTx, fee_bump: int | None) -> None:
        if self._signer is None:
            raise ConfigurationError(
                f"nobody here can sign for {slot.sender}",
                hint="Replace it on a Chain that has the account's signer.",
            )
        if fee_bump is not None and fee_bump < 1:
            raise ConfigurationError(
                f"a fee that is {fee_bump} % higher replaces nothing",
                hint=f"Give whole percent; most nodes take {LEAST_BUMP} or more.",
            )
        if slot.receipt is not None:
            raise NonceError(
                f"{old.hash} cannot be replaced: nonce {slot.nonce} was mined in block "
                f"{slot.receipt.block_number}",
                hint="What is in the chain stays; send another transaction that undoes it.",
            )

    async def _send(
        self, slot: Followed, old: SignedTx, tx: PreparedTx, reason: _Reason
    ) -> SignedTx:
        """Sign, write down and send, in this order.

        Raises:
            SignerError, PolicyRejectedError: It was not signed.
            LedgerError: It was signed, but not sent.
            ChainError: The chain refused it, or it is not known whether it arrived.
        """
        assert self._signer is not None  # checked first
        signed = await sign_checked(self._signer, tx)
        account = await self._nonces.account(slot.sender)
        await self._journal.attempt(account, signed, _KINDS[reason])
        slot.ours = True
        (answer,) = await self._broadcaster.post([(slot, slot.add(signed))])
        if isinstance(answer, ChainError):
            raise answer
        self._announcer.say(TransactionReplaced(old.hash, signed.hash, slot.nonce, reason))
        return signed


def _at(request: TxRequest, old: PreparedTx, price: Price) -> TxRequest:
    """Return ``request`` with the nonce of ``old`` and this price; the caller's fields win."""
    request = replace(request, nonce=old.nonce)
    if request.gas_price is not None or request.max_fee_per_gas is not None:
        return request
    if old.type in (TxType.LEGACY, TxType.ACCESS_LIST):
        return replace(request, gas_price=price.max_fee)
    tip = request.max_priority_fee_per_gas
    return replace(
        request,
        max_fee_per_gas=price.max_fee,
        max_priority_fee_per_gas=min(price.tip, price.max_fee) if tip is None else tip,
    )
