"""Receipts: kept, refreshed from the chain, waited for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ...errors import LedgerError, SettlementPendingError
from ...ledger.receipt import AuthorizationFacts, Receipt
from ...payments.state import OpenAuthorization
from ...payments.status import PaymentState, PaymentStatus
from ...types import Amount
from ...verification import Check, CheckStatus
from ..work import CallWork

_ENOUGH = {
    PaymentState.SETTLED: (PaymentState.SETTLED, PaymentState.FINAL),
    PaymentState.FINAL: (PaymentState.FINAL,),
}
_NEVER = (PaymentState.NOT_CHARGED, PaymentState.CANCELLED)


class Receipts:
    """``client.receipts``: what happened in this client's calls."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    async def get(self, receipt_id: str) -> Receipt:
        """Return the receipt of that id.

        Raises:
            LedgerError: There is none in this client.
        """
        return self._work.core.receipts.get(receipt_id)

    async def list(
        self, *, since: float | None = None, model: str | None = None, tag: str | None = None
    ) -> tuple[Receipt, ...]:
        """Return the receipts that match, oldest first; ``since`` is Unix seconds."""
        return tuple(self._work.core.receipts.select(since=since, model=model, tag=tag))

    async def refresh(self, receipt: Receipt | str) -> Receipt:
        """Return the receipt with what the chain says now.

        **Money**: free. **Trust**: the charge is what the payments RPC shows; more than the sum of
        the session's calls is a failed check.

        Raises:
            ChainError: The chain could not be asked.
            LedgerError: The receipt is not one of this client.
        """
        core = self._work.core
        known = core.receipts.get(receipt if isinstance(receipt, str) else receipt.id)
        life = known.life
        if life is None:
            raise LedgerError(f"receipt {known.id} has no authorization to ask about")
        status = await core.reconciler.look_up(life)
        fresh = replace(
            known,
            payment=status,
            as_of=core.clock.now(),
            authorization=AuthorizationFacts.of(life),
            evidence=known.evidence.with_(charge_check(life, status)),
        )
        check = fresh.evidence.get("charge")
        if check is not None and check.status is CheckStatus.FAILED:
            core.leave(life.tee_id, check.reason)
        core.receipts.add(fresh)
        return fresh

    async def wait(
        self,
        receipt: Receipt | str,
        *,
        payment: PaymentState = PaymentState.SETTLED,
        timeout: float = 300.0,
    ) -> Receipt:
        """Return the receipt when its payment is settled (or final), or can never be.

        The session takes no further calls, so that the node can settle it: nodes do so 100 to 125
        seconds after the last answer. A reorg can take SETTLED back until it is FINAL. ``timeout``
        is in seconds of this machine.

        Raises:
            SettlementPendingError: It did not happen in time; it still can.
            ChainError: The chain could not be asked.
            ValueError: ``payment`` is neither SETTLED nor FINAL.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi")
            >>> await net.advance(seconds=130)  # on a Devnet nobody has to wait
            >>> receipt = await client.receipts.wait(reply.receipt)
            >>> receipt.payment.amount == receipt.cost
            True
        """
        if payment not in _ENOUGH:
            raise ValueError(f"{payment} cannot be waited for; SETTLED and FINAL can")
        core = self._work.core
        interval = core.config.profile.payments.block_time
        receipt = core.receipts.get(receipt if isinstance(receipt, str) else receipt.id)
        if receipt.life is not None:
            core.lives.retire(receipt.life)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    receipt = await self.refresh(receipt)
                    if receipt.payment.state in (*_ENOUGH[payment], *_NEVER):
                        return receipt
                    await asyncio.sleep(interval)  # a chain behind HTTP tells nobody; it is asked
        except TimeoutError:
            raise SettlementPendingError(
                f"not {payment.value} within {timeout:g} seconds: {receipt.payment.reason}",
                hint="The payment can still be settled until the permit's deadline; wait again.",
            ) from None


def charge_check(life: OpenAuthorization, status: PaymentStatus) -> Check:
    """Compare what a session was charged with the computed costs of its calls."""
    name = "charge"
    if status.amount is None:
        return Check(name, CheckStatus.PENDING, "the charge is not on chain yet")
    source = f"transaction {status.transaction} on chain {status.chain_id}"
    served = Amount(life.served)
    if life.in_flight:
        return Check(
            name,
            CheckStatus.PENDING,
            f"charged {status.amount}; {life.in_flight} call(s) of the session are not over yet",
            source,
        )
    if life.unpriced or life.resent:
        unknown = f"{life.unpriced} call(s) of unknown cost, {life.resent} sent again"
        return Check(
            name,
            CheckStatus.NOT_CHECKED,
            f"charged {status.amount}; the calls sum to {served} without {unknown}",
            source,
        )
    if status.amount > served:
        return Check(
            name,
            CheckStatus.FAILED,
            f"charged {status.amount}, but the session's {life.calls} call(s) cost {served}",
            source,
        )
    return Check(
        name,
        CheckStatus.PASSED,
        f"charged {status.amount} for {life.calls} call(s) that cost {served}",
        source,
    )
