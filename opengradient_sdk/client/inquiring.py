"""The chains are asked what is still open about an impact."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from .._core.tasks import together
from ..errors import ChainError, LedgerError, RegistryUnavailableError
from ..ledger.data_status import DataState
from ..ledger.impact import Impact, Inquiry, Source, TouchedReceipts
from ..ledger.receipt import Receipt
from .core import Core
from .refreshing import Refreshing, Step

_MOST: Final = 1_000
"""Receipts about which the chains are asked."""
_AT_ONCE: Final = 50


async def inquire(core: Core, impact: Impact) -> Inquiry:
    """Have the chains asked about what an impact touches, and return which of them answered.

    What they say is written into the ledger. One payment is asked about once, whatever the number
    of its calls. Only this wallet's own are asked about: the journal has no others.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    return await _Inquirer(core).asked(impact)


class _Inquirer:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._refreshing = Refreshing(core)
        self._failures: dict[Source, str] = {}

    async def asked(self, impact: Impact) -> Inquiry:
        receipts = TouchedReceipts(self._core.store, self._core.vault)
        found = await receipts.read(each.id for each in islice(impact.touched, _MOST))
        mine = [receipt for receipt in found if self._is_mine(receipt)]
        await self._ask(Source.PAYMENTS, _one_of_each_payment(mine), self._refreshing.payment)
        await self._ask(Source.DATA, _promised(mine), self._refreshing.data)
        await self._ask_registry()
        self._say_what_is_left(impact, found, mine)
        return Inquiry(frozenset(Source) - self._failures.keys(), self._failures)

    def _is_mine(self, receipt: Receipt) -> bool:
        core, facts = self._core, receipt.authorization
        here = core.config.profile.payments.caip2
        return (facts.owner, facts.network) == (core.signer.address, here)

    async def _ask(self, source: Source, receipts: Sequence[Receipt], step: Step) -> None:
        for start in range(0, len(receipts), _AT_ONCE):
            some = receipts[start : start + _AT_ONCE]
            await together(*(self._ask_about(source, each, step) for each in some))

    async def _ask_about(self, source: Source, receipt: Receipt, step: Step) -> None:
        try:
            await self._refreshing.with_(receipt, (step,))
        except (ChainError, LedgerError, RegistryUnavailableError) as error:
            self._failures.setdefault(source, error.short_message)

    async def _ask_registry(self) -> None:
        try:
            await self._core.history.sync()
        except (ChainError, RegistryUnavailableError) as error:
            self._failures[Source.REGISTRY] = error.short_message

    def _say_what_is_left(
        self, impact: Impact, found: Sequence[Receipt], mine: Sequence[Receipt]
    ) -> None:
        left: list[str] = []
        if foreign := len(found) - len(mine):
            left.append(f"{foreign:,} touched receipts are of other wallets")
        if more := len(impact.touched) - len(found):
            left.append(f"{more:,} were left out, as there are too many")
        if left:
            for source in (Source.PAYMENTS, Source.DATA):
                self._failures.setdefault(source, "not about all: " + " and ".join(left))


def _one_of_each_payment(receipts: Sequence[Receipt]) -> Sequence[Receipt]:
    open_ = (receipt for receipt in receipts if not receipt.payment.is_last_word)
    return list({receipt.authorization.nonce: receipt for receipt in open_}.values())


def _promised(receipts: Sequence[Receipt]) -> Sequence[Receipt]:
    done = (DataState.NONE, DataState.FINAL)
    return [receipt for receipt in receipts if receipt.data.state not in done]
