"""Settling a payment on chain: check again, sponsor the approval, move the money."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..._core.clock import Clock
from ...errors import ChainError, RpcError
from .account import Account, Mined
from .faults import Faults
from .jobs import PAYMENT_QUEUE, Job, JobBook, JobQueue, JobStatus
from .permit import Payment, Permit
from .reasons import Reason, RefusedError
from .records import Records, SettledPermit, VerifiedPermit
from .sponsoring import Approval, missing_gas_money
from .verify import Checked, Verifier

_SETTLEMENT_GAS: Final = 500_000
"""About 110 000 are used; the rest is for payers that are contracts."""
_TRANSFER_GAS: Final = 50_000
"""21 000 are used, or more where the payer's account has delegated to code (EIP-7702)."""


@dataclass(frozen=True, slots=True)
class PaymentChain:
    """One chain on which payments are taken: who checks and who pays the gas."""

    account: Account
    verifier: Verifier


class Payments:
    """Checks payments and turns accepted settlements into transactions, one permit once.

    A permit is one payment, however its header was spelled: asking again for the same amount
    returns the job that there is; another amount becomes a job of its own, which fails once the
    permit's nonce is used. The signature belongs to the permit, so nobody can take its place in
    the queue with a forged one.
    """

    def __init__(
        self,
        chains: Mapping[str, PaymentChain],
        *,
        book: JobBook,
        queue: JobQueue,
        records: Records,
        clock: Clock,
        faults: Faults,
    ) -> None:
        self._chains = chains
        self._book = book
        self._queue = queue
        self._records = records
        self._clock = clock
        self._faults = faults
        self._claims: dict[tuple[str, Permit, int], Job] = {}

    async def verify(self, payment: Payment) -> None:
        """Return if ``payment`` could be settled for its full cap now, and note it.

        Raises:
            RefusedError: It could not, and why.
            RpcError: The chain did not answer.
        """
        if self._faults.refuse is not None:
            raise RefusedError(self._faults.refuse, "a test asked for this refusal")
        permit = (await self._chain_of(payment).verifier.check(payment)).permit
        self._records.add_verified(
            VerifiedPermit(
                network=payment.required.network,
                payer=permit.owner,
                nonce=permit.nonce,
                cap=permit.cap,
                token=permit.token,
                recipient=permit.recipient,
                deadline=permit.deadline,
                at=self._clock.now(),
            )
        )

    def accept(self, payment: Payment) -> Job:
        """Return the job that settles ``payment``, new or the one that there is."""
        claim = _claim(payment)
        known = None if claim is None else self._claims.get(claim)
        if known is not None and known.status is not JobStatus.FAILED:
            return known
        job = self._book.open("payment", PAYMENT_QUEUE)
        if claim is not None:
            self._claims[claim] = job

        async def work(job: Job) -> dict[str, object]:
            return await self._settle(payment, job)

        self._queue.add(job, work)
        return job

    def _chain_of(self, payment: Payment) -> PaymentChain:
        chain = self._chains.get(payment.required.network)
        if chain is None:
            raise RefusedError(
                Reason.UPTO_NETWORK, f"no chain {payment.required.network} is known here"
            )
        return chain

    async def _settle(self, payment: Payment, job: Job) -> dict[str, object]:
        if self._faults.delay_settlement:
            await asyncio.sleep(self._faults.delay_settlement)
        if self._faults.settle_fails:
            raise RefusedError(
                Reason.TRANSACTION_STATE, "settlements fail because a test asked for it"
            )
        chain = self._chain_of(payment)
        permit, amount = payment.permit(), payment.required.amount
        checked = await chain.verifier.check(_for_the_whole_cap(payment, permit))
        if amount == 0:
            return _result(payment, permit, transaction="")
        if amount > permit.cap:
            raise RefusedError(
                Reason.SETTLEMENT_EXCEEDS_AMOUNT, f"{amount} atoms are more than {permit.cap}"
            )
        if checked.approval is not None:
            await _sponsor(checked.approval, chain.account)
        mined = await _move(checked, amount, chain.account, job)
        self._note_settled(payment, permit, mined)
        return _result(payment, permit, transaction=str(mined.hash))

    def _note_settled(self, payment: Payment, permit: Permit, mined: Mined) -> None:
        self._records.add_settled(
            SettledPermit(
                network=payment.required.network,
                payer=permit.owner,
                nonce=permit.nonce,
                amount=payment.required.amount,
                token=permit.token,
                recipient=permit.recipient,
                transaction=mined.hash,
                block_number=mined.block_number,
                requests=payment.requests,
                at=self._clock.now(),
            )
        )


async def _sponsor(approval: Approval, account: Account) -> None:
    """Lend the payer the gas and send the approval; the settlement needs it on chain."""
    try:
        funding = await missing_gas_money(approval, account.chain)
        if funding:
            await account.execute(approval.signer, value=funding, gas=_TRANSFER_GAS)
        mined = await account.wait(await account.broadcast(approval.raw))
    except ChainError as error:
        raise RefusedError(Reason.APPROVAL_TX_FAILED, error.short_message) from error
    if not mined.succeeded:
        raise RefusedError(Reason.APPROVAL_TX_FAILED, f"the approval {mined.hash} reverted")


async def _move(checked: Checked, amount: int, account: Account, job: Job) -> Mined:
    """Send the settlement and wait for its block; it was run without a transaction just before."""
    call = checked.calldata(amount)
    try:
        sent = await account.submit(checked.permit.spender, call, gas=_SETTLEMENT_GAS)
    except RpcError as error:
        code = f"{Reason.TRANSACTION_FAILED}: {error.short_message}"
        raise RefusedError(code, "the settlement was not sent") from error
    job.transaction, job.signer, job.queue_nonce = sent.hash, account.address, sent.nonce
    mined = await account.wait(sent.hash)
    if not mined.succeeded:
        raise RefusedError(Reason.TRANSACTION_STATE, f"the settlement {mined.hash} reverted")
    return mined


def _for_the_whole_cap(payment: Payment, permit: Permit) -> Payment:
    """Return the payment as it was verified; only an ``upto`` payment may be charged for less."""
    return payment.demanding(permit.cap) if payment.required.scheme == "upto" else payment


def _claim(payment: Payment) -> tuple[str, Permit, int] | None:
    """Return what identifies a settlement; nothing does where the payload is unreadable."""
    try:
        return payment.required.network, payment.permit(), payment.required.amount
    except RefusedError:
        return None


def _result(payment: Payment, permit: Permit, *, transaction: str) -> dict[str, object]:
    return {
        "success": True,
        "transaction": transaction,
        "network": payment.required.network,
        "payer": permit.owner,
        "amount": str(payment.required.amount),
    }
