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
    PaymentOutcomeUnknownError,
    PinMismatchError,
    RateLimitedError,
    RedirectError,
    ServerError,
    Spent,
)
from ..network.connection import NodeConnection
from ..network.records import NodeRecord, RegistrySnapshot
from ..network.selection import choose_node
from ..types import Bytes32
from .core import Core

_TRIES = 3
_DOUBT_SECONDS = 300.0
_NODES_FAULT = (
    AttestationError,
    InvalidChallengeError,
    NoNodeAvailableError,  # the sessions refuse to sign more for a node that wastes it
    PinMismatchError,
    RedirectError,
)
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
        self._doubted: dict[Bytes32, float] = {}
        self._reread = False

    def doubt(self, record: NodeRecord) -> None:
        """Prefer other nodes for five minutes, and read the registry anew before the next call.

        Unlike a node that was left, a doubted one is used again when there is no other.
        """
        self._doubted[record.tee_id] = self._core.clock.now() + _DOUBT_SECONDS
        self._reread = True

    async def choose(
        self,
        wanted: str | None,
        prepare: Callable[[NodeConnection], Awaitable[object]],
        allows: Callable[[Bytes32], bool] = lambda _: True,
    ) -> tuple[NodeConnection, RegistrySnapshot]:
        """Return a node for which ``prepare`` succeeded; up to three tries, on others if possible.

        ``prepare`` may be repeated: nothing has been paid while it fails. ``wanted`` names a node,
        ``allows`` says which builds may be asked.

        Raises:
            RegistryUnavailableError, RegistryEmptyError, NoNodeAvailableError: No node to ask.
            Whatever the last ``prepare`` raised.
        """
        failures: dict[Bytes32, OpenGradientError] = {}
        nobody_left = False

        async def attempt() -> tuple[NodeConnection, RegistrySnapshot]:
            nonlocal nobody_left
            # a failed node may have been restarted: with a new id, key and certificate
            snapshot = await self._snapshot(refresh=bool(failures))
            try:
                record = self._select(snapshot, wanted, failures, allows)
            except NoNodeAvailableError:
                nobody_left = True
                if failures:  # why the last node could not be used says more than that none is left
                    raise list(failures.values())[-1] from None
                raise
            connection = self._core.connection(record)
            try:
                await prepare(connection)
            except _NODE_FAILED as error:
                failures[record.tee_id] = error
                if isinstance(error, _NODES_FAULT):
                    self._core.leave(record.tee_id, error.short_message)
                raise
            return connection, snapshot

        def may_help(error: BaseException) -> bool:
            return not nobody_left and isinstance(error, _NODE_FAILED)

        return await retry(attempt, attempts=_TRIES, retry_on=may_help, base=0.05, cap=1.0)

    async def stay(self, tee_id: Bytes32) -> tuple[NodeConnection, RegistrySnapshot]:
        """Return the node that a call was sent to before, whatever is held against it.

        Raises:
            PaymentOutcomeUnknownError: The registry does not list it any more.
            RegistryUnavailableError: The registry could not be read.
        """
        snapshot = await self._snapshot(refresh=False)
        record = snapshot.find(tee_id)
        if record is None:
            raise PaymentOutcomeUnknownError(
                f"the call was sent to node {tee_id}, which the registry does not list any more",
                hint="It is not sent to another node while its payment is open; "
                "client.payments.resolve() asks the chain.",
                spent=Spent.MAYBE,
            )
        return self._core.connection(record), snapshot

    async def node(self, wanted: str | None) -> NodeRecord:
        """Return the node that the next call would ask.

        Raises:
            RegistryUnavailableError, RegistryEmptyError, NoNodeAvailableError: There is none.
        """
        return self._select(await self._snapshot(refresh=False), wanted, {}, lambda _: True)

    async def _snapshot(self, *, refresh: bool) -> RegistrySnapshot:
        snapshot = await self._core.registry.snapshot(refresh=refresh or self._reread)
        self._reread = False
        return snapshot

    def _select(
        self,
        snapshot: RegistrySnapshot,
        wanted: str | None,
        failures: dict[Bytes32, OpenGradientError],
        allows: Callable[[Bytes32], bool],
    ) -> NodeRecord:
        record = self._favourite
        if (
            wanted is None
            and record is not None
            and self._works(record, snapshot, failures, allows)
        ):
            return record
        record = self._drawn(snapshot, wanted, failures, allows)
        if wanted is None:
            self._favourite = record
        return record

    def _works(
        self,
        record: NodeRecord,
        snapshot: RegistrySnapshot,
        failures: dict[Bytes32, OpenGradientError],
        allows: Callable[[Bytes32], bool],
    ) -> bool:
        return (
            record in snapshot.nodes
            and allows(record.pcr_hash)
            and record.tee_id not in failures
            and not self._core.health.complaint(record.tee_id)
            and not self._is_doubted(record.tee_id)
        )

    def _is_doubted(self, tee_id: Bytes32) -> bool:
        until = self._doubted.get(tee_id)
        if until is not None and until <= self._core.clock.now():
            del self._doubted[tee_id]
            return False
        return until is not None

    def _drawn(
        self,
        snapshot: RegistrySnapshot,
        wanted: str | None,
        failures: dict[Bytes32, OpenGradientError],
        allows: Callable[[Bytes32], bool],
    ) -> NodeRecord:
        core = self._core
        accepted = core.config.trust.measurements
        nodes = {node.tee_id for node in snapshot.nodes}
        strange = {
            n.tee_id
            for n in snapshot.nodes
            if (accepted and n.pcr_hash not in accepted) or not allows(n.pcr_hash)
        }
        left = {tee_id for tee_id in nodes if core.health.complaint(tee_id)}
        worse = {t for t in nodes if t in failures or self._is_doubted(t)}
        # with no better node, the doubtful ones are tried again
        exclude = strange | worse if nodes - strange - left - worse else strange
        return choose_node(
            snapshot, health=core.health, rng=core.rng, wanted=wanted, exclude=exclude
        )
