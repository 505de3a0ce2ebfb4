"""Which node a call goes to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .._core.retry import retry
from ..errors import (
    AttestationError,
    InvalidChallengeError,
    NetworkError,
    NoNodeAvailableError,
    OpenGradientError,
    PinMismatchError,
    RateLimitedError,
    RedirectError,
    ServerError,
)
from ..network.connection import NodeConnection
from ..network.records import NodeRecord, RegistrySnapshot
from ..network.selection import choose_node
from ..types import Bytes32
from .core import Core

_TRIES = 3
_NODES_FAULT = (AttestationError, PinMismatchError, RedirectError, InvalidChallengeError)
_NODE_FAILED = (
    AttestationError,
    InvalidChallengeError,
    NetworkError,
    RateLimitedError,
    ServerError,
)


class Router:
    """Chooses one node and stays with it while it works.

    Every node that is called has a cap of its own exposed, so calls are not spread.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._favourite: NodeRecord | None = None

    async def choose(
        self, wanted: str | None, prepare: Callable[[NodeConnection], Awaitable[object]]
    ) -> tuple[NodeConnection, RegistrySnapshot]:
        """Return a node for which ``prepare`` succeeded; up to three tries, on others if possible.

        ``prepare`` may be repeated: nothing has been paid while it fails. ``wanted`` names a node.

        Raises:
            RegistryUnavailableError, RegistryEmptyError, NoNodeAvailableError: No node to ask.
            Whatever the last ``prepare`` raised.
        """
        failures: dict[Bytes32, OpenGradientError] = {}

        async def attempt() -> tuple[NodeConnection, RegistrySnapshot]:
            # a failed node may have been restarted: with a new id, key and certificate
            snapshot = await self._core.registry.snapshot(refresh=bool(failures))
            record = self._select(snapshot, wanted, failures)
            connection = self._core.connection(record)
            try:
                await prepare(connection)
            except _NODE_FAILED as error:
                failures[record.tee_id] = error
                if isinstance(error, _NODES_FAULT) and len(snapshot.nodes) > 1:
                    self._core.leave(record.tee_id, error.short_message)
                raise
            return connection, snapshot

        return await retry(
            attempt, attempts=_TRIES, retry_on=_may_help_elsewhere, base=0.05, cap=1.0
        )

    async def node(self, wanted: str | None) -> NodeRecord:
        """Return the node that the next call would ask.

        Raises:
            RegistryUnavailableError, RegistryEmptyError, NoNodeAvailableError: There is none.
        """
        return self._select(await self._core.registry.snapshot(), wanted, {})

    def _select(
        self,
        snapshot: RegistrySnapshot,
        wanted: str | None,
        failures: dict[Bytes32, OpenGradientError],
    ) -> NodeRecord:
        record = self._favourite
        if wanted is None and record is not None and self._works(record, snapshot, failures):
            return record
        record = self._drawn(snapshot, wanted, failures)
        if wanted is None:
            self._favourite = record
        return record

    def _works(
        self,
        record: NodeRecord,
        snapshot: RegistrySnapshot,
        failures: dict[Bytes32, OpenGradientError],
    ) -> bool:
        return (
            record in snapshot.nodes
            and record.tee_id not in failures
            and not self._core.health.complaint(record.tee_id)
        )

    def _drawn(
        self,
        snapshot: RegistrySnapshot,
        wanted: str | None,
        failures: dict[Bytes32, OpenGradientError],
    ) -> NodeRecord:
        core = self._core
        accepted = core.config.trust.measurements
        strange = {n.tee_id for n in snapshot.nodes if accepted and n.pcr_hash not in accepted}
        # with no other node left, the failed ones are tried again
        others = any(n.tee_id not in strange and n.tee_id not in failures for n in snapshot.nodes)
        exclude = strange | set(failures) if others else strange
        return choose_node(
            snapshot, health=core.health, rng=core.rng, wanted=wanted, exclude=exclude
        )


def _may_help_elsewhere(error: BaseException) -> bool:
    if isinstance(error, NoNodeAvailableError):
        return False
    return isinstance(error, _NODE_FAILED)
