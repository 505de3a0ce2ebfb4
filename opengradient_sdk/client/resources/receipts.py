"""Receipts: kept, refreshed from the chains, waited for, exported, forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from ...errors import AssuranceError, SettlementPendingError, Spent
from ...ledger.data_status import DataState
from ...ledger.query import ReceiptQuery
from ...ledger.receipt import Receipt
from ...payments.status import PaymentState
from ...types import Bytes32
from ...verification.evidence import Assurance
from ..call import bare_model
from ..callbook import call_id_of
from ..refreshing import Refreshing, Step
from ..work import CallWork

_LONGEST_LIST: Final = 1_000
_PAID: Final = {
    PaymentState.SETTLED: (PaymentState.SETTLED, PaymentState.FINAL),
    PaymentState.FINAL: (PaymentState.FINAL,),
}
_NEVER_PAID: Final = (PaymentState.NOT_CHARGED, PaymentState.CANCELLED)
_SETTLED: Final = {
    DataState.SETTLED: (DataState.SETTLED, DataState.FINAL),
    DataState.FINAL: (DataState.FINAL,),
}


class Receipts:
    """``client.receipts``: what happened in the calls of this wallet, also before this client."""

    def __init__(self, work: CallWork) -> None:
        self._work = work
        self._refreshing = Refreshing(work.core)

    async def get(self, receipt_id: str) -> Receipt:
        """Return the receipt of that id, as it was last seen.

        Raises:
            LedgerError: This wallet has none of that id in this store.
        """
        return await self._refreshing.known(receipt_id)

    async def list(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        model: str | None = None,
        tag: str | None = None,
        run: str | None = None,
        tee_id: Bytes32 | None = None,
        limit: int = _LONGEST_LIST,
    ) -> tuple[Receipt, ...]:
        """Return the receipts that match, oldest first, as they were last seen.

        ``since`` and ``until`` are Unix seconds of the client's clock; ``model`` is named as in
        calls, with or without its provider.

        Raises:
            LedgerError: The store cannot be read.
        """
        query = ReceiptQuery(
            since=since,
            until=until,
            model=None if model is None else str(bare_model(model)),
            tag=tag,
            run=run,
            tee_id=tee_id,
            limit=limit,
        )
        return await self._work.core.ledger.select(query)

    async def refresh(self, receipt: Receipt | str) -> Receipt:
        """Return the receipt with what has come since: payment, data, and the build's standing.

        **Money**: free. **Trust**: the charge is what every payments RPC shows; more than the sum
        of the session's calls is a failed check. The hashes are looked for on the relay's chain,
        not asked of the node. What came later is added and never rewrites what was: a build that
        was revoked after the answer leaves its assurance as it is.

        Raises:
            ChainError: A chain could not be asked. What the others said is kept.
            LedgerError: There is no such receipt.
        """
        return await self._refreshing.refresh(await self._refreshing.known(receipt))

    async def wait(
        self,
        receipt: Receipt | str,
        *,
        payment: PaymentState | None = None,
        data: DataState | None = None,
        assurance: Assurance | None = None,
        timeout: float = 300.0,
    ) -> Receipt:
        """Return the receipt when it has come so far, or can never; SETTLED payment by default.

        Waiting for ``payment`` ends the session, so that the node can settle it: nodes do so 100 to
        125 seconds after the last answer. Batches of hashes (``data``) go out after 20 answers, 5
        idle minutes, or 15 minutes. ``assurance`` up to ATTESTED is had by asking the node for a
        document now. A reorg can take SETTLED back until it is FINAL. ``timeout`` is in seconds of
        this machine.

        Raises:
            SettlementPendingError: It did not happen in time; it still can.
            AssuranceError: The answer proves less, and never will prove more.
            ChainError: A chain could not be asked.
            ValueError: That cannot be waited for.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi")
            >>> await net.advance(seconds=130)  # on a Devnet nobody has to wait
            >>> receipt = await client.receipts.wait(reply.receipt)
            >>> receipt.payment.amount == receipt.cost
            True
        """
        wanted = _Wanted.of(payment, data, assurance)
        now = await self._refreshing.known(receipt)
        if wanted.payment is not None:
            self._refreshing.retire(await self._refreshing.life_of(now))
        try:
            async with asyncio.timeout(timeout):
                if wanted.assurance is not None:
                    now = await self._at_least(now, wanted.assurance)
                while True:
                    now = await self._refreshing.with_(now, wanted.steps(self._refreshing))
                    if wanted.is_had_by(now):
                        return now
                    await asyncio.sleep(self._interval())  # a chain tells nobody; it is asked
        except TimeoutError:
            raise SettlementPendingError(
                f"not {wanted} within {timeout:g} seconds: {wanted.missing(now)}",
                hint=wanted.hint,
            ) from None

    async def export(
        self, receipt: Receipt | str, *, request: bool = True, output: bool = True
    ) -> dict[str, object]:
        """Return one JSON document with everything that proves this answer, for a stranger.

        ``verify_bundle`` and ``ogsdk verify`` check it without network, and without trust in us.
        ``request`` and ``output`` say whether question and answer are in it; without them their
        hashes are, and the bundle says what stays unproven.

        **Money**: the payment's signature is left out until its deadline has passed: before that,
        whoever has it can collect.

        Raises:
            LedgerError: There is no such receipt.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi")
            >>> bundle = await client.receipts.export(reply.receipt)
            >>> bundle["schema"]
            'opengradient.bundle/1'
        """
        from ...ledger.bundle import make_bundle

        core = self._work.core
        known = await self._refreshing.known(receipt)
        content, signed, _ = await core.ledger.content_of(known.id)
        signature = await core.ledger.payment_signature(known.authorization)
        return make_bundle(
            known,
            content=content,
            signed=signed,
            payment_signature=signature,
            include_request=request,
            include_output=output,
        )

    async def forget(self, receipt: Receipt | str) -> None:
        """Delete question and answer of a receipt, with the hashes they could be guessed from.

        What it cost, who answered and what was proven stays, and the ledger still verifies: it
        holds a salted commitment only. Exported bundles and what nodes or relays have are not
        touched.

        Raises:
            LedgerError: There is no such receipt, or the store cannot be written.
        """
        core = self._work.core
        known = await self._refreshing.known(receipt)
        await core.ledger.forget(known.id)
        await core.journal.forget(call_id_of(known.id))

    async def _at_least(self, receipt: Receipt, assurance: Assurance) -> Receipt:
        if assurance > receipt.assurance and assurance >= Assurance.ATTESTED:
            receipt = await self._refreshing.with_(receipt, (self._refreshing.attested,))
        if assurance > receipt.assurance:
            raise AssuranceError(
                f"the answer is {receipt.assurance.name}, and will not be {assurance.name}",
                hint="Its own checks failed when it came; ask again.",
                evidence=receipt.evidence,
                receipt_id=receipt.id,
                spent=Spent.YES,
                amount=receipt.cost,
            )
        return receipt

    def _interval(self) -> float:
        profile = self._work.core.config.profile
        return min(profile.payments.block_time, profile.registry.block_time)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a wait is for."""

    payment: PaymentState | None
    data: DataState | None
    assurance: Assurance | None

    @classmethod
    def of(
        cls, payment: PaymentState | None, data: DataState | None, assurance: Assurance | None
    ) -> _Wanted:
        if payment is None and data is None and assurance is None:
            payment = PaymentState.SETTLED
        if payment is not None and payment not in _PAID:
            raise ValueError(f"{payment} cannot be waited for; SETTLED and FINAL can")
        if data is not None and data not in _SETTLED:
            raise ValueError(f"{data} cannot be waited for; SETTLED and FINAL can")
        return cls(payment, data, None if assurance is None else Assurance(assurance))

    def steps(self, refreshing: Refreshing) -> tuple[Step, ...]:
        """Return what has to be asked again."""
        payment = (refreshing.payment,) if self.payment is not None else ()
        data = (refreshing.data,) if self.data is not None else ()
        return (*payment, *data)

    def is_had_by(self, receipt: Receipt) -> bool:
        """Whether a receipt has come so far, or can never."""
        return not self._missing(receipt)

    def missing(self, receipt: Receipt) -> str:
        """Return what has not come yet, with the reasons."""
        return "; ".join(self._missing(receipt))

    @property
    def hint(self) -> str:
        """What to do when it did not come in time."""
        if self.data is not None:
            return "Nodes hand hashes over in batches; wait again, or look at receipt.data."
        return "The payment can still be settled until the permit's deadline; wait again."

    def __str__(self) -> str:
        wanted = [each.value for each in (self.payment, self.data) if each is not None]
        return " and ".join(dict.fromkeys(wanted))

    def _missing(self, receipt: Receipt) -> list[str]:
        missing: list[str] = []
        if self.payment is not None and receipt.payment.state not in (
            *_PAID[self.payment],
            *_NEVER_PAID,
        ):
            missing.append(receipt.payment.reason)
        if self.data is not None and receipt.data.state not in (
            *_SETTLED[self.data],
            DataState.NONE,
        ):
            missing.append(receipt.data.reason)
        return missing
