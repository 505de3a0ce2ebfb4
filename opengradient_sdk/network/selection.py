"""Choosing the node for a call."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .._core.clock import Clock
from ..errors import ConfigurationError, NoNodeAvailableError
from ..types import Bytes32
from .records import NodeRecord, RegistrySnapshot


@dataclass(frozen=True, slots=True)
class _Mark:
    reason: str
    until: float


class NodeHealth:
    """Which nodes failed lately, and for how long they are avoided (Unix seconds of ``clock``)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: dict[Bytes32, _Mark] = {}

    def mark_failed(self, tee_id: Bytes32, reason: str, until: float) -> None:
        """Avoid a node until then; a later mark replaces an earlier one."""
        self._marks[tee_id] = _Mark(reason, until)

    def mark_recovered(self, tee_id: Bytes32) -> None:
        """Forget what was said against a node."""
        self._marks.pop(tee_id, None)

    def complaint(self, tee_id: Bytes32) -> str:
        """Return why a node is avoided now; empty where it is not."""
        mark = self._marks.get(tee_id)
        if mark is None:
            return ""
        if mark.until <= self._clock.now():
            del self._marks[tee_id]
            return ""
        return mark.reason


def choose_node(
    snapshot: RegistrySnapshot,
    *,
    health: NodeHealth,
    rng: random.Random,
    wanted: str | Bytes32 | None = None,
    exclude: Collection[Bytes32] = (),
) -> NodeRecord:
    """Return a node for a call: one at random of those that are not avoided.

    Args:
        snapshot: The nodes there are.
        health: Which of them are avoided.
        rng: Where the choice comes from.
        wanted: A tee id or an endpoint: that node or none, also when it is avoided.
        exclude: Nodes that this call has tried already.

    Raises:
        NoNodeAvailableError: No node is left, or the wanted one is not listed; says why, by node.
        ConfigurationError: ``wanted`` is neither a tee id nor an endpoint.
    """
    if wanted is not None:
        return _named(snapshot, wanted)
    complaints = {node.tee_id: health.complaint(node.tee_id) for node in snapshot.nodes}
    complaints |= dict.fromkeys(exclude, "it was tried for this call")
    candidates = [node for node in snapshot.nodes if not complaints[node.tee_id]]
    if not candidates:
        raise NoNodeAvailableError(
            _with_reasons("no node can be used", snapshot, complaints),
            hint="wait and try again, or name one of them to use it all the same",
        )
    return rng.choice(candidates)


def _named(snapshot: RegistrySnapshot, wanted: str | Bytes32) -> NodeRecord:
    if isinstance(wanted, str) and "://" in wanted:
        endpoint = wanted.rstrip("/")
        found = next((n for n in snapshot.nodes if n.endpoint.rstrip("/") == endpoint), None)
    else:
        found = snapshot.find(_tee_id(wanted))
    if found is None:
        raise NoNodeAvailableError(
            _with_reasons(f"{wanted} is not a node that can be called", snapshot, {}),
            hint="name one of the nodes that the registry lists, or none to use any",
        )
    return found


def _tee_id(wanted: str | Bytes32) -> Bytes32:
    try:
        return Bytes32(wanted)
    except ValueError:
        raise ConfigurationError(
            f"{wanted!r} names no node",
            hint="a node is named by its tee id (64 hex digits) or its https endpoint",
        ) from None


def _with_reasons(
    summary: str, snapshot: RegistrySnapshot, complaints: Mapping[Bytes32, str]
) -> str:
    said = [
        f"{node.tee_id} ({node.endpoint}): {complaints.get(node.tee_id) or 'usable'}"
        for node in snapshot.nodes
    ]
    said += [f"{tee_id}: {reason}" for tee_id, reason in snapshot.skipped]
    return "\n  ".join([f"{summary} (registry at block {snapshot.block_number})", *said])
