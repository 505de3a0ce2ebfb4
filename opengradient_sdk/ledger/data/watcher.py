"""The watcher of the relay: whether the hashes of answers have been settled, and are final."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..._core.clock import Clock
from ..._core.tasks import together
from ...chain.contracts.settlement_relay import BatchSettlement, IndividualSettlement
from ...chain.rpc import Rpc
from ...errors import ChainError, ConfigurationError, RpcError
from ...payments.settlement.testimony import Silent
from ...types import Address
from ...verification.merkle import verify_proof
from ..data_status import DataState, DataStatus
from ..receipt import Receipt
from .batches import Batches
from .blobs import BlobReader, Unreadable
from .history import Seen
from .verdict import Finding, Hearing, Sighting
from .wanted import Wanted
from .witness import RelayWitness, View

_AT_ONCE: Final = 8
"""Blobs that are read at the same time."""


@dataclass(frozen=True, slots=True)
class Word:
    """The chain's word on one statement.

    ``unread`` is how many batches could hold it whose blobs could not be read: while there are any,
    OVERDUE says that nobody can see the promise kept, and not that it was broken.
    """

    status: DataStatus
    unread: int = 0


@dataclass(slots=True, eq=False)
class _Asking:
    """Statements that somebody waits for, and what became of them."""

    wanted: Sequence[Wanted]
    told: Sequence[Word] | ChainError | None = None


class DataWatcher:
    """Asks the relay's chain about the hashes of answers, through every one of ``rpcs``.

    They are asked at the same time. One ``Rpc`` with several URLs is one endpoint here: its URLs
    stand in for each other and are not compared. Whoever asks while others are asking shares the
    next look with them; finalized blocks are read once, and each batch's blob too.

    **Money**: free. **Trust**: what all endpoints that answer say in agreement. SETTLED needs the
    word of those that have the block, FINAL and OVERDUE that of every one that is configured. Blob
    stores are not trusted. A promise is said to be broken by the word of the chain, not the node's.

    Raises:
        ConfigurationError: No endpoint.
    """

    def __init__(
        self,
        rpcs: Rpc | Sequence[Rpc],
        relay: Address | None,
        blobs: BlobReader,
        clock: Clock,
    ) -> None:
        several = (rpcs,) if isinstance(rpcs, Rpc) else tuple(rpcs)
        if not several:
            raise ConfigurationError(
                "no RPC endpoint is configured that could be asked about settled hashes",
                hint="Set OG_REGISTRY_RPC_URL, or pass the URL of an endpoint of that chain.",
            )
        self._relay = relay
        self._witnesses = () if relay is None else tuple(RelayWitness(r, relay) for r in several)
        self._batches = Batches(blobs, clock)
        self._clock = clock
        self._turn = asyncio.Lock()
        self._askings: list[_Asking] = []

    async def status(self, receipt: Receipt) -> DataStatus:
        """Return what the chain says now of the hashes of one answer; see ``statuses``."""
        return (await self.statuses([receipt]))[0]

    async def statuses(self, receipts: Sequence[Receipt]) -> list[DataStatus]:
        """Return what the chain says now of the hashes of several answers, in one search.

        A settlement is looked for from the block of the call until a day after it was due. What is
        FINAL, and what was never to be settled, is not asked about again.

        Raises:
            ChainError: No endpoint could be asked.
        """
        plans = [self._plan(receipt) for receipt in receipts]
        wanted = [plan for plan in plans if isinstance(plan, Wanted)]
        told = iter(await self._shared(wanted) if wanted else ())
        return [next(told).status if isinstance(plan, Wanted) else plan for plan in plans]

    async def words(self, wanted: Sequence[Wanted]) -> Sequence[Word]:
        """Return what the chain says now of several statements, in one search.

        For those who ask again and again: what is looked for is made of a receipt once.

        Raises:
            ChainError: No endpoint could be asked.
            ConfigurationError: The relay's address is not known.
        """
        if self._relay is None:
            raise ConfigurationError(
                "settled hashes cannot be looked for: the relay's address is not known",
                hint="Set OG_SETTLEMENT_RELAY.",
            )
        return await self._shared(wanted) if wanted else ()

    def _plan(self, receipt: Receipt) -> Wanted | DataStatus:
        plan = Wanted.of(receipt)
        if isinstance(plan, Wanted) and self._relay is None:
            if receipt.data.proof is not None:
                return receipt.data
            unknown = "the relay's address is not known on this network"
            return replace(receipt.data, state=DataState.PROMISED, reason=unknown)
        return plan

    async def _shared(self, wanted: Sequence[Wanted]) -> Sequence[Word]:
        """Ask, together with everybody who has come while the look before was under way."""
        mine = _Asking(wanted)
        self._askings.append(mine)
        try:
            async with self._turn:
                if mine.told is None:
                    await self._answer(list(self._askings))
        finally:
            self._askings.remove(mine)
        assert mine.told is not None  # answered by this call or by the one before it
        if isinstance(mine.told, ChainError):
            raise mine.told
        return mine.told

    async def _answer(self, askings: Sequence[_Asking]) -> None:
        open_ = [asking for asking in askings if asking.told is None]
        try:
            told = iter(await self._look([one for asking in open_ for one in asking.wanted]))
        except ChainError as error:
            for asking in open_:
                asking.told = error
            return
        for asking in open_:
            asking.told = [next(told) for _ in asking.wanted]

    async def _look(self, wanted: Sequence[Wanted]) -> list[Word]:
        assert self._relay is not None  # nothing is wanted otherwise
        words = await together(*(one.testify(wanted) for one in self._witnesses))
        views = tuple(word for word in words if isinstance(word, View))
        silent = tuple(word for word in words if isinstance(word, Silent))
        if not views:
            raise _nobody([one.error for one in silent])
        asked = [
            one for one, word in zip(self._witnesses, words, strict=True) if isinstance(word, View)
        ]
        chain_id = await asked[0].chain_id()
        hearing = Hearing(chain_id, self._relay, views, silent, {}, self._clock.now())
        findings = await self._search(wanted, hearing)
        seen = {sighting.seen for finding in findings for sighting in finding.sightings}
        standing = {
            one: await together(*(witness.block_of(one) for witness in asked)) for one in seen
        }
        hearing = replace(hearing, standing=standing)
        return [Word(hearing.status(finding), len(finding.unread)) for finding in findings]

    async def _search(self, wanted: Sequence[Wanted], hearing: Hearing) -> list[Finding]:
        """Look through the events, oldest first, until every statement is found beyond dispute."""
        findings = [Finding(one) for one in wanted]
        searching = list(findings)
        events = sorted(
            frozenset[Seen]().union(*(view.events for view in hearing.views)),
            key=lambda seen: seen.place,
        )
        for some in _groups(events, _AT_ONCE):
            await together(*(self._look_into(seen, searching, hearing) for seen in some))
            searching = [one for one in searching if not _is_found(one, hearing)]
            if not searching:
                break
        for finding in findings:
            finding.sightings.sort(key=lambda sighting: sighting.seen.place)
        return findings

    async def _look_into(self, seen: Seen, searching: Sequence[Finding], hearing: Hearing) -> None:
        concerned = [
            one
            for one in searching
            if any(view.has_searched(one.wanted, seen.block_number) for view in hearing.views)
        ]
        event = seen.event
        if isinstance(event, IndividualSettlement):
            _match(seen, event, concerned)
        else:
            await self._open_batch(
                seen, event, [one for one in concerned if one.wanted.mode == "batch"]
            )

    async def _open_batch(
        self, seen: Seen, batch: BatchSettlement, findings: Iterable[Finding]
    ) -> None:
        left: list[Finding] = []
        for finding in findings:
            path = finding.wanted.known_path(batch.merkle_root)
            if path is None:
                left.append(finding)
            else:
                finding.sightings.append(Sighting(seen, path))
        if not left:
            return
        dump = await self._batches.read(batch)
        for finding in left:
            if isinstance(dump, Unreadable):
                finding.unread.append((seen, dump))
                continue
            found = dump.find(finding.wanted.leaf_hash)
            if found is None:
                finding.looked_into += 1
                continue
            _, path = found
            # against the root of the event itself, whatever the blob and its reader made of it
            verify_proof(finding.wanted.leaf_hash, path, batch.merkle_root)
            finding.sightings.append(Sighting(seen, path))


def _match(seen: Seen, event: IndividualSettlement, findings: Iterable[Finding]) -> None:
    for finding in findings:
        if finding.wanted.mode == "individual" and finding.wanted.is_told_by(event):
            finding.sightings.append(Sighting(seen))


def _is_found(finding: Finding, hearing: Hearing) -> bool:
    return any(
        not hearing.disputes(finding.wanted, sighting.seen) for sighting in finding.sightings
    )


def _groups(events: Sequence[Seen], size: int) -> Iterator[Sequence[Seen]]:
    for start in range(0, len(events), size):
        yield events[start : start + size]


def _nobody(errors: Sequence[ChainError]) -> ChainError:
    if len(errors) == 1:
        return errors[0]
    found = RpcError(
        f"no RPC of the relay's chain could be asked: "
        f"{'; '.join(error.short_message for error in errors)}",
        hint=errors[0].hint,
    )
    found.__cause__ = errors[0]
    return found
