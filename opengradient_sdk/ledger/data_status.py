"""What is known about the settlement of the hashes of question and answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal

from ..types import Address, Bytes32

DataMode = Literal["private", "batch", "individual"]

SETTLED_WITHIN: Final[Mapping[DataMode, float]] = MappingProxyType(
    {"batch": 1_800.0, "individual": 600.0}
)
"""Seconds after an answer in which the network settles its hashes.

A batch goes out 15 minutes after its first leaf at the latest, and is tried again when it fails; an
individual settlement goes out at once (the protocol notes, 6.2 and 6.3). Both with time to spare.
"""


class DataState(Enum):
    """How far the hashes have come.

    NONE: nothing was to be settled. PROMISED: the node was asked to have them settled. SETTLED:
    they were found on chain, with their proof. FINAL: in a finalized block. OVERDUE: the network's
    own time for it has passed, and none of the relay's events until then shows them; one whose
    blob cannot be read could still hold them, and the reason names it.
    """

    NONE = "none"
    PROMISED = "promised"
    SETTLED = "settled"
    FINAL = "final"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class DataProof:
    """Where the hashes stand on chain, and the path that leads there.

    ``merkle_root`` to ``leaf_hash`` are those of a batch, ``None`` for an individual settlement,
    whose event carries the statement itself. ``proof`` leads from ``leaf_hash`` to the root.
    """

    mode: Literal["batch", "individual"]
    chain_id: int
    relay: Address
    transaction: Bytes32
    log_index: int
    block_number: int
    block_hash: Bytes32
    block_timestamp: int
    blob_id: str
    rpcs: tuple[str, ...]
    merkle_root: Bytes32 | None = None
    batch_size: int | None = None
    leaf_hash: Bytes32 | None = None
    proof: tuple[Bytes32, ...] = ()


@dataclass(frozen=True, slots=True)
class DataStatus:
    """The chain's word on the hashes of one answer, with one sentence why.

    ``due_at`` is when the network should have settled them, in Unix seconds of the client's clock.
    ``searched_to`` is the newest block of the relay's chain that was searched.
    """

    state: DataState
    mode: DataMode
    reason: str
    due_at: float | None = None
    proof: DataProof | None = None
    searched_to: int | None = None

    def __str__(self) -> str:
        return f"{self.state.value}: {self.reason}"
