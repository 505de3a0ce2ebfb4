"""The timeline: which build and node were valid when, and what a rollback touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import ConfigurationError
from ...ledger.receipt import Receipt
from ...types import Bytes32
from ..work import CallWork

if TYPE_CHECKING:
    from ...ledger.impact import Impact
    from ...ledger.timeline import Held, Moment, Time, Timeline, Validity, Version

_MOST_OPEN: Final = 1_000
"""Receipts of which a report says what is open."""


class TimelineView:
    """``client.timeline``: the registry's history beside the receipts of this store.

    Each question first reads what the registry has reported since the last one, through every
    configured endpoint of its chain; what is read stays in the store.
    """

    def __init__(self, work: CallWork) -> None:
        self._work = work

    async def at(self, time: Time | None = None) -> Validity:
        """Return which builds and nodes were valid at ``time``, and whether that is final.

        ``time`` is Unix seconds of the registry's chain, or a ``datetime`` with a time zone; now
        where it is not given.

        Raises:
            RegistryUnavailableError, ChainError: The endpoints could not be read, or disagree.
            ConfigurationError: No time.
        """
        return (await self.history()).at(time)

    async def versions(self) -> tuple[Version, ...]:
        """Return every build that was ever approved: as what, from when until when.

        Raises:
            RegistryUnavailableError, ChainError: The endpoints could not be read, or disagree.

        Example:
            >>> [version.version for version in await client.timeline.versions()]
            ['devnet-1']
        """
        return (await self.history()).versions()

    async def moment(self, receipt: Receipt) -> Moment:
        """Return when an answer was given by each clock: ours, the node's, the chain's.

        They may disagree, and are not merged.

        Raises:
            RegistryUnavailableError, ChainError: The endpoints could not be read, or disagree.
        """
        return (await self.history()).moment(receipt)

    async def during(self, receipt: Receipt) -> tuple[Held, ...]:
        """Return for each build how surely it was approved when an answer was given.

        Raises:
            RegistryUnavailableError, ChainError: The endpoints could not be read, or disagree.
        """
        return (await self.history()).during(receipt)

    async def history(self) -> Timeline:
        """Return the registry's whole history as it stands, to ask it many things at once.

        Raises:
            RegistryUnavailableError, ChainError: The endpoints could not be read, or disagree.
        """
        history = self._work.core.history
        await history.sync()
        return await history.timeline()

    async def impact(
        self,
        *,
        pcr_hash: Bytes32 | str | None = None,
        version: str | None = None,
        model: str | None = None,
        tee_id: Bytes32 | str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> Impact:
        """Return which outputs those were, which payments paid for them, and what came of them.

        What was made from an output (``parents=`` of later calls, chained runs) is followed to any
        depth, over all clients of this store. ``print(tree(impact))``, ``mermaid``, ``to_json``
        and ``report`` of ``opengradient_sdk.ledger.impact`` show it.

        Args:
            pcr_hash: A build.
            version: The name that builds were approved under.
            model: A model.
            tee_id: A node.
            since: From then on, in Unix seconds of the client's clock.
            until: Before then.

        Raises:
            ConfigurationError: Nothing was named, or no build of that version is known.
            LedgerError: The ledger could not be read.
            RegistryUnavailableError, ChainError: A version was named, and the registry's endpoints
                could not be read, or disagree.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi", tag="demo")
            >>> impact = await client.timeline.impact(version="devnet-1")
            >>> reply.receipt.id in [output.id for output in impact.outputs]
            True
        """
        from ...ledger.impact import ImpactQuery, impact

        core = self._work.core
        if version is not None and pcr_hash is not None:
            raise ConfigurationError(
                "a version and a pcr_hash were named", hint="A version stands for its builds."
            )
        builds: frozenset[Bytes32] | None = None
        if version is not None:
            builds = frozenset((await self.history()).resolve(version=version))
        elif pcr_hash is not None:
            builds = frozenset({_hash("pcr_hash", pcr_hash)})
        query = ImpactQuery(
            pcr_hashes=builds,
            version=version,
            model=model,
            tee_id=None if tee_id is None else _hash("tee_id", tee_id),
            since=since,
            until=until,
        )
        await core.ledger.flushed()
        return await impact(core.store, query, as_of=core.clock.now())

    async def report(self, impact: Impact) -> str:
        """Return an impact as what one hands to an auditor: Markdown that stands by itself.

        It has the builds by the registry's history, and what the receipts list as still open.

        Raises:
            LedgerError: The ledger could not be read.
        """
        from ...ledger.impact import builds_in, report

        core = self._work.core
        timeline = await core.history.timeline()
        receipts = [await core.ledger.get(one.id) for one in impact.touched[:_MOST_OPEN]]
        return report(
            impact,
            builds=builds_in(impact, timeline.versions()),
            unresolved={one.id: one.unresolved for one in receipts if one.unresolved},
        )


def _hash(name: str, value: Bytes32 | str) -> Bytes32:
    try:
        return Bytes32(value)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}", hint="0x and 64 hex digits.") from None
