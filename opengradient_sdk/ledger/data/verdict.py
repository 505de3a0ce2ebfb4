"""What several endpoints together say about a settlement: pure comparison, nothing is asked.

No single endpoint can make hashes settled, final or overdue against the others' word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ...chain.blocks import Block
from ...chain.contracts.settlement_relay import BatchSettlement
from ...payments.settlement.testimony import Silent
from ...types import Address, Bytes32
from ..data_status import DataProof, DataState, DataStatus
from .batches import blob_name
from .blobs import Unreadable
from .history import Seen
from .wanted import Wanted
from .witness import View

_MOST_NAMED: Final = 3

Standing = Sequence["Block | Silent | None"]
"""What each view's endpoint has in the place of an event's block: that block, or not."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An event that holds a statement; ``path`` leads from its leaf to the event's root.

    It is empty for an individual settlement, and for a batch of one.
    """

    seen: Seen
    path: tuple[Bytes32, ...] = ()


@dataclass(slots=True)
class Finding:
    """What the events held of one statement: where it is, and which batches could not be read."""

    wanted: Wanted
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    unread: list[tuple[Seen, Unreadable]] = field(default_factory=list[tuple[Seen, Unreadable]])
    looked_into: int = 0


@dataclass(frozen=True, slots=True)
class Hearing:
    """The words of every configured endpoint; ``views`` are of those that answered.

    ``now`` is Unix seconds of the client's clock.
    """

    chain_id: int
    relay: Address
    views: tuple[View, ...]
    silent: tuple[Silent, ...]
    standing: Mapping[Seen, Standing]
    now: float

    def disputes(self, wanted: Wanted, seen: Seen) -> bool:
        """Whether an endpoint that has looked into the block does not show the event."""
        number = seen.block_number
        return any(
            seen not in view.events and view.has_searched(wanted, number) for view in self.views
        )

    def status(self, finding: Finding) -> DataStatus:
        """Return what is known of a statement now."""
        for sighting in finding.sightings:
            settled = self._settled(finding.wanted, sighting)
            if settled is not None:
                return settled
        if finding.sightings:
            return self._unconfirmed(finding.wanted, finding.sightings[0].seen)
        return self._open(finding)

    def _settled(self, wanted: Wanted, sighting: Sighting) -> DataStatus | None:
        seen = sighting.seen
        if self.disputes(wanted, seen):
            return None
        showing = [
            (view, block)
            for view, block in zip(self.views, self.standing[seen], strict=True)
            if seen in view.events and not isinstance(block, Silent)
        ]
        blocks = [block for _, block in showing if block is not None]
        if len(blocks) != len(showing) or len({block.timestamp for block in blocks}) != 1:
            return None
        heard_all = len(showing) == len(self.views) and not self.silent
        final = heard_all and all(view.is_final(seen.block_number) for view, _ in showing)
        names = tuple(view.name for view, _ in showing)
        return DataStatus(
            DataState.FINAL if final else DataState.SETTLED,
            wanted.mode,
            self._told(wanted, seen, final=final),
            due_at=wanted.due_at,
            proof=self._proof(wanted, sighting, blocks[0], names),
            searched_to=self._searched_to(wanted),
        )

    def _proof(
        self, wanted: Wanted, sighting: Sighting, block: Block, names: tuple[str, ...]
    ) -> DataProof:
        seen, event = sighting.seen, sighting.seen.event
        batch = event if isinstance(event, BatchSettlement) else None
        return DataProof(
            wanted.mode,
            chain_id=self.chain_id,
            relay=self.relay,
            transaction=seen.transaction,
            log_index=seen.log_index,
            block_number=seen.block_number,
            block_hash=seen.block_hash,
            block_timestamp=block.timestamp,
            blob_id=blob_name(event.blob_id),
            rpcs=names,
            merkle_root=None if batch is None else batch.merkle_root,
            batch_size=None if batch is None else batch.batch_size,
            leaf_hash=None if batch is None else wanted.leaf_hash,
            proof=sighting.path,
        )

    def _told(self, wanted: Wanted, seen: Seen, *, final: bool) -> str:
        event, number = seen.event, seen.block_number
        how = "on its own"
        if isinstance(event, BatchSettlement):
            how = f"in a batch of {event.batch_size}"
        told = f"settled {how} by {seen.transaction} in block {number} of chain {self.chain_id}"
        moved = wanted.before.proof
        if moved is not None and moved.block_hash != seen.block_hash:
            told += f" (block {moved.block_number}, {moved.block_hash}, which held it, is gone)"
        if final:
            return f"{told}, which every RPC calls finalized"
        unsure = "which a reorg could still take back until every RPC calls it finalized"
        return "; ".join([f"{told}, {unsure}", *map(str, self.silent)])

    def _unconfirmed(self, wanted: Wanted, seen: Seen) -> DataStatus:
        showing = [
            block
            for view, block in zip(self.views, self.standing[seen], strict=True)
            if seen in view.events
        ]
        lost = all(isinstance(block, Silent) for block in showing)
        if lost and not self.disputes(wanted, seen):
            if wanted.before.proof is not None:
                return wanted.before  # who has gone away takes nothing back
            who = "an event that holds it could not be confirmed"
        elif len(self.views) == 1:
            who = "the RPC endpoint contradicts itself"
        else:
            who = "the RPC endpoints contradict each other"
        words = [
            _word(wanted, seen, view, block)
            for view, block in zip(self.views, self.standing[seen], strict=True)
        ]
        told = "; ".join([*words, *map(str, self.silent)])
        return self._still(DataState.PROMISED, wanted, f"{who}: {told}")

    def _open(self, finding: Finding) -> DataStatus:
        wanted, proof = finding.wanted, finding.wanted.before.proof
        if proof is not None and not any(
            view.has_searched(wanted, proof.block_number) for view in self.views
        ):
            return wanted.before  # who has not reached the block says nothing about it
        overdue = self._is_overdue(wanted)
        reasons = "; ".join(self._reasons(finding))
        promise = f"promised until {_utc(wanted.due_at)}"
        told = f"{promise} and not kept" if overdue else promise
        state = DataState.OVERDUE if overdue else DataState.PROMISED
        return self._still(state, wanted, f"{told}: {reasons}")

    def _is_overdue(self, wanted: Wanted) -> bool:
        seen_past_it = all(view.latest.timestamp > wanted.due_at for view in self.views)
        return self.now > wanted.due_at and seen_past_it and not self.silent

    def _reasons(self, finding: Finding) -> Iterator[str]:
        wanted, searched_to = finding.wanted, self._searched_to(finding.wanted)
        if (proof := wanted.before.proof) is not None:
            yield (
                f"block {proof.block_number} ({proof.block_hash}), which held it, "
                "is no longer in the chain"
            )
        where = f"blocks {wanted.first} to {searched_to} of chain {self.chain_id}"
        if wanted.mode == "batch":
            yield f"{where} have no batch with this answer ({finding.looked_into} read)"
        else:
            yield f"{where} have no settlement of this answer"
        yield from _unread(finding.unread)
        if self.now > wanted.due_at:
            yield from self._behind(wanted)
        yield from (str(one) for one in self.silent)

    def _behind(self, wanted: Wanted) -> Iterator[str]:
        for view in self.views:
            if view.latest.timestamp <= wanted.due_at:
                head = view.latest
                yield f"{view.name} has seen no block after {head.number}, {_utc(head.timestamp)}"

    def _still(self, state: DataState, wanted: Wanted, reason: str) -> DataStatus:
        return DataStatus(
            state,
            wanted.mode,
            reason,
            due_at=wanted.due_at,
            searched_to=self._searched_to(wanted),
        )

    def _searched_to(self, wanted: Wanted) -> int:
        return min(view.searched_to[wanted.until] for view in self.views)


def _word(wanted: Wanted, seen: Seen, view: View, block: Block | Silent | None) -> str:
    number = seen.block_number
    if seen not in view.events:
        if view.has_searched(wanted, number):
            return f"{view.name} shows no such event at block {view.latest.number}"
        return f"{view.name} has not reached block {number}"
    told = f"{view.name} shows it in block {number} ({seen.block_hash})"
    if block is None:
        return f"{told}, which is not in its chain"
    return f"{told}; {block}" if isinstance(block, Silent) else f"{told} at {block.timestamp}"


def _unread(unread: Sequence[tuple[Seen, Unreadable]]) -> Iterable[str]:
    for seen, why in unread[:_MOST_NAMED]:
        event = seen.event
        size = event.batch_size if isinstance(event, BatchSettlement) else 1
        yield (
            f"a batch of {size} in block {seen.block_number} could hold it: "
            f"its blob {blob_name(event.blob_id)[:64]!r} cannot be read ({why})"
        )
    if len(unread) > _MOST_NAMED:
        yield f"nor can those of {len(unread) - _MOST_NAMED} other batches"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
