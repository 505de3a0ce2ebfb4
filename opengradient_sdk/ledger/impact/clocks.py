"""Outputs so near to a change that only clocks tell on which side of it they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..._core.store import Row
from ..receipt import Receipt
from ..timeline.events import Place
from ..timeline.moments import Moment, moment_of
from ..timeline.timeline import Timeline
from .query import ImpactQuery
from .reading import EARLIER, LATER
from .receipts import TouchedReceipts
from .wording import moment as utc


@dataclass(frozen=True, slots=True)
class _Said:
    """What clocks say of one output: it is outside of the period, or open to this doubt."""

    outside: bool = False
    doubt: str | None = None


class Clocks:
    """Judges outputs by our clock, the enclave's and the chain's, each with its bounds.

    A change is an end of the period that was asked for, and an approval or a revocation of the
    build that answered. Who answered needs no clock: the receipt names the key and its build.

    Only outputs of which the question was asked near to a change are read from the ledger.

    **Trust**: in what the registry's endpoints said (`Timeline`), and in the client's clock and
    the enclave's within `CLOCKS_WITHIN` of the chain's, where no order of blocks tells more.

    Args:
        receipts: Where outputs are read; without its vault the enclave's clock is not heard.
        timeline: The registry's history; ``None`` where it is not known.
    """

    def __init__(self, receipts: TouchedReceipts, timeline: Timeline | None) -> None:
        self._receipts = receipts
        self._timeline = timeline
        versions = () if timeline is None else timeline.versions()
        self._changes = {str(one.pcr_hash): one.change_times for one in versions if one.answers}

    @property
    def changes_known_to(self) -> Place | None:
        """The newest block of which it is known what the registry reported."""
        return None if self._timeline is None else self._timeline.horizon.head

    async def judge(
        self, query: ImpactQuery, rows: Sequence[Row]
    ) -> tuple[list[Row], dict[str, str]]:
        """Return those of ``rows`` that may be in question, and of whom there is which doubt.

        ``rows`` begin with a receipt's id, the time of its question, and have its build at the
        seventh place; they reach `EARLIER` and `LATER` beyond the period.

        Raises:
            LedgerError: A receipt cannot be read.
        """
        near = await self._receipts.read(self._near(query, rows))
        # off the event loop, which has others to serve
        said = await asyncio.to_thread(lambda: {each.id: self._said(query, each) for each in near})
        # one that could not be read has only the time of its question
        unheard = (_Said(outside=not _is_within(query, row[1])) for row in rows)
        judged = zip(rows, unheard, strict=True)
        may_be = [row for row, alone in judged if not said.get(row[0], alone).outside]
        return may_be, {id_: words.doubt for id_, words in said.items() if words.doubt is not None}

    def _near(self, query: ImpactQuery, rows: Iterable[Row]) -> list[str]:
        ends = tuple(end for end in (query.since, query.until) if end is not None)
        changes = {build: (*ends, *times) for build, times in self._changes.items()}
        return [
            id_
            for id_, asked_at, _, _, _, _, build, *_ in rows
            if any(-EARLIER <= asked_at - change <= LATER for change in changes.get(build, ends))
        ]

    def _said(self, query: ImpactQuery, receipt: Receipt) -> _Said:
        when = self._moment(receipt)
        first, last = when.bounds
        doubts: list[str] = []
        for name, end in (("since", query.since), ("until", query.until)):
            if end is not None and first < end <= last:
                doubts.append(f"{name} {utc(end)} is within the bounds of its clocks ({when})")
        if not doubts and not _is_within(query, first):
            return _Said(outside=True)
        if self._timeline is not None and (doubt := self._timeline.doubt(receipt)) is not None:
            doubts.append(doubt)
        return _Said(doubt="; ".join(doubts) or None)

    def _moment(self, receipt: Receipt) -> Moment:
        if self._timeline is None:
            return moment_of(receipt, (), registered=receipt.registered)
        return self._timeline.moment(receipt)


def _is_within(query: ImpactQuery, time: float) -> bool:
    after_since = query.since is None or query.since <= time
    return after_since and (query.until is None or time < query.until)
