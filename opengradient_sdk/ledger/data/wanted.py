"""What is looked for on the relay: one answer's statement, from which block on and until when."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from ...chain.contracts.settlement_relay import IndividualSettlement
from ...errors import SettlementError
from ...types import Bytes32
from ...verification.merkle import BatchLeaf, batch_leaf_of, verify_proof
from ..data_status import SETTLED_WITHIN, DataProof, DataState, DataStatus
from ..receipt import Receipt

SEARCHED_AFTER_DUE: Final = 86_400.0
"""Seconds after it was due in which a settlement is still looked for: one that late is found, and
a receipt that stays overdue does not read every batch there will ever be."""

_BEFORE: Final = 8
"""Blocks before the one of the call that are searched too: RPC endpoints lag each other."""

_HOUR: Final = 3_600
_OPEN: Final = (DataState.PROMISED, DataState.SETTLED, DataState.OVERDUE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One answer's statement.

    ``first`` is the first block that can hold its settlement; ``due_at`` and ``until`` are Unix
    seconds: when it should have happened, and how long it is looked for (rounded up to the hour, so
    that the receipts of an hour share one search for the block). ``before`` is what was known.
    ``leaf`` is ``None`` where the statement was forgotten and only its leaf's hash is known.
    """

    mode: Literal["batch", "individual"]
    leaf_hash: Bytes32
    leaf: BatchLeaf | None
    first: int
    due_at: float
    until: float
    before: DataStatus

    @classmethod
    def of(cls, receipt: Receipt) -> Self | DataStatus:
        """Return what to look for, or the status itself where there is nothing to look for."""
        before, mode = receipt.data, receipt.data.mode
        if mode == "private" or before.state not in _OPEN:
            return before
        first = _first_block(receipt)
        if first is None:
            return replace(before, reason="the block at the time of the call is not known")
        try:
            leaf = None if receipt.signed is None else batch_leaf_of(receipt.signed)
        except SettlementError as error:
            return replace(before, reason=error.short_message)
        leaf_hash = _known_leaf(before.proof) if leaf is None else leaf.hash
        if leaf_hash is None:
            return replace(before, reason="the node's statement was forgotten: see what was known")
        due_at = before.due_at or receipt.created_at + SETTLED_WITHIN[mode]
        until = math.ceil((due_at + SEARCHED_AFTER_DUE) / _HOUR) * float(_HOUR)
        return cls(mode, leaf_hash, leaf, first, due_at, until, before)

    @property
    def tee_id(self) -> Bytes32 | None:
        """The node whose individual settlements are looked through; ``None``: batches are."""
        return self.leaf.tee_id if self.mode == "individual" and self.leaf is not None else None

    def known_path(self, root: Bytes32) -> tuple[Bytes32, ...] | None:
        """Return the path to this root that was kept: it needs no blob, which may be gone."""
        proof = self.before.proof
        if proof is None or proof.merkle_root != root:
            return None
        try:
            verify_proof(self.leaf_hash, proof.proof, root)
        except SettlementError:
            return None  # what was kept is worth nothing; the blob is asked for again
        return proof.proof

    def is_told_by(self, event: IndividualSettlement) -> bool:
        """Whether an event carries exactly this statement, signature included."""
        told = BatchLeaf(
            event.tee_id, event.input_hash, event.output_hash, event.signature, event.timestamp
        )
        return told == self.leaf


def _first_block(receipt: Receipt) -> int | None:
    if receipt.registered is not None:
        return max(receipt.registered.block_number - _BEFORE, 0)
    # whoever has lost the registry's record may still know where the hashes were seen
    proof = receipt.data.proof
    return None if proof is None else max(proof.block_number - _BEFORE, 0)


def _known_leaf(proof: DataProof | None) -> Bytes32 | None:
    return None if proof is None else proof.leaf_hash
