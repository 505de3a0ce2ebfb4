"""A receipt is brought up to date: what has come since is added, nothing is rewritten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias
from weakref import WeakValueDictionary

from ..errors import ChainError, LedgerError, RegistryUnavailableError
from ..ledger.data import individual_blob_check
from ..ledger.data_status import DataState, DataStatus
from ..ledger.receipt import Receipt
from ..payments.state import OpenAuthorization
from ..payments.status import PaymentStatus
from ..types import Amount
from ..verification import Assurance, Check, CheckStatus
from .core import Core
from .reconciling import differs

Step: TypeAlias = Callable[[Receipt], Awaitable[Receipt]]
_SETTLING = (DataState.PROMISED, DataState.SETTLED, DataState.OVERDUE)


class Refreshing:
    """Asks the chains, and nodes for their documents, about receipts."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def known(self, receipt: Receipt | str) -> Receipt:
        """Return a receipt of this wallet as it was last seen.

        Raises:
            LedgerError: There is none of that id.
        """
        return await self._core.ledger.get(receipt if isinstance(receipt, str) else receipt.id)

    async def refresh(self, receipt: Receipt) -> Receipt:
        """Return the receipt with all that the chains say now.

        Raises:
            ChainError, RegistryUnavailableError: One could not be asked; what the others said is
                kept.
        """
        return await self.with_(receipt, (self.payment, self.data, self.build))

    async def with_(self, receipt: Receipt, steps: Sequence[Step]) -> Receipt:
        """Return the receipt after ``steps``, each of which adds what it has found."""
        failure = None
        async with self._turns.setdefault(receipt.id, asyncio.Lock()):
            before = fresh = await self.known(receipt)  # others may have added to it meanwhile
            for step in steps:
                try:
                    fresh = await step(fresh)
                except (ChainError, RegistryUnavailableError) as error:
                    failure = failure or error
            if _told(fresh) != _told(before):  # heads of chains move on and tell nothing new
                self._core.ledger.revise(before, fresh)
        if failure is not None:
            raise failure
        return fresh

    async def payment(self, receipt: Receipt) -> Receipt:
        """Add what the payments chain says of the session's charge."""
        core = self._core
        life = await self.life_of(receipt)
        status = receipt.payment  # as the ledger has it, with its block and its proof
        if not status.is_last_word or status.from_journal:
            status = await core.reconciler.look_up(life)
        facts = replace(
            receipt.authorization,
            served=Amount(life.served),
            calls=life.calls,
            unpriced=life.unpriced,
            resent=life.resent,
        )
        if differs(status, receipt.payment) and not core.lives.are_ours(life):
            core.ledger.payment(facts, status)  # of ours, the reconciler has it written
        check = charge_check(life, status)
        if check.status is CheckStatus.FAILED:
            core.leave(life.tee_id, check.reason)
        return replace(
            receipt,
            payment=status,
            authorization=facts,
            evidence=receipt.evidence.with_(check),
            as_of=core.clock.now(),
            life=life,
        )

    async def life_of(self, receipt: Receipt) -> OpenAuthorization:
        """Return the authorization that paid for it: this client's own, or as the journal has it.

        Raises:
            LedgerError: The journal does not have it.
        """
        core, nonce = self._core, receipt.authorization.nonce
        known = receipt.life or core.lives.find(nonce)
        if known is not None and core.lives.are_ours(known):
            return known
        # what another client counts in it changes all the time: it is read anew
        life = await core.journal.find(nonce)
        if life is None:
            raise LedgerError(
                f"receipt {receipt.id} has no authorization to ask about",
                hint="The journal of this store does not have it. Was it made with another store?",
            )
        return life

    def retire(self, life: OpenAuthorization) -> None:
        """Let a session of this client take no further call, so that the node can settle it."""
        if self._core.lives.are_ours(life):
            self._core.lives.retire(life)

    async def data(self, receipt: Receipt) -> Receipt:
        """Add what the relay's chain says of the hashes."""
        if receipt.data.state not in _SETTLING:
            return receipt
        return await self.with_status(receipt, await self._core.data_watcher.status(receipt))

    async def with_status(self, receipt: Receipt, status: DataStatus) -> Receipt:
        """Add a word of the relay's chain, and what the blob of an individual settlement holds."""
        fresh = replace(receipt, data=status, as_of=self._core.clock.now())
        proof = fresh.data.proof
        if proof is None or proof.mode != "individual":
            return fresh
        blob = await individual_blob_check(fresh, self._core.blobs)
        return fresh if blob is None else replace(fresh, evidence=fresh.evidence.with_(blob))

    async def build(self, receipt: Receipt) -> Receipt:
        """Add what the registry has said since of the build that answered."""
        core = self._core
        await core.history.sync()
        timeline = await core.history.timeline()
        evidence = receipt.evidence
        for check in timeline.later(receipt):
            evidence = evidence.with_(check)
        return replace(receipt, evidence=evidence, as_of=core.clock.now())

    async def attested(self, receipt: Receipt) -> Receipt:
        """Add the node's attestation, from a document that it makes now for the same key.

        Raises:
            AttestationError: The document does not prove it.
            NetworkError: The node gave none.
        """
        core = self._core
        registered, signed = receipt.registered, receipt.signed
        if receipt.assurance >= Assurance.ATTESTED or registered is None or signed is None:
            return receipt
        check, document = await core.attesting.prove_later(
            core.connection(registered.record), signed_at=signed.timestamp
        )
        return replace(receipt, evidence=receipt.evidence.with_(check), attested=document)


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
    if status.amount > served and life.shared:
        return Check(
            name,
            CheckStatus.NOT_CHECKED,
            f"charged {status.amount}; the calls that the journal has sum to {served}, and another "
            "client may have made more",
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


def _told(receipt: Receipt) -> tuple[object, ...]:
    """Return what of a receipt is worth an entry in the ledger when it changes."""
    payment = receipt.payment
    return (
        (payment.state, payment.transaction, payment.block_hash, payment.final),
        (receipt.data.state, receipt.data.proof),
        {check.name: check.status for check in receipt.evidence.checks},
        receipt.attested,
    )
