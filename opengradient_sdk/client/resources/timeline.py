"""The timeline: which build and node were valid when, and what a rollback touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from ...ledger.receipt import Receipt
from ...types import Address, Bytes32
from ..call import bare_model
from ..work import CallWork

if TYPE_CHECKING:
    from ...ledger.impact import Impact
    from ...ledger.timeline import Held, Moment, Time, Timeline, Validity, Version


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
        pcr_hash: Bytes32 | str | Sequence[Bytes32 | str] | None = None,
        version: str | None = None,
        model: str | None = None,
        tee_id: Bytes32 | str | None = None,
        since: float | None = None,
        until: float | None = None,
        owner: Address | str | None = None,
        network: str | None = None,
    ) -> Impact:
        """Return which outputs those were, which payments paid for them, and what came of them.

        What was made from an output (``parents=`` of later calls, chained runs) is followed to any
        depth, over all clients of this store. ``print(tree(impact))``, ``mermaid``, ``to_json``
        and ``report`` of ``opengradient_sdk.ledger.impact`` show it.

        Outputs so near to an approval or a revocation of their build, or to an end of the period,
        that only clocks tell on which side they were given are part of it, as uncertain ones
        (``impact.doubts`` says why). The registry's history is read for that as far as it is
        known (``impact.changes_known_to``); only a ``version`` has it brought up to date.

        Args:
            pcr_hash: A build, or several.
            version: The name that builds were approved under. It stands for these builds at all
                times, whatever name they had then.
            model: A model.
            tee_id: A node.
            since: From then on, in Unix seconds of the client's clock.
            until: Before then.
            owner: Only outputs that this wallet paid for.
            network: Only outputs that were paid on this chain (CAIP-2).

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
        from ...ledger.impact import Clocks, ImpactQuery, TouchedReceipts, impact

        core = self._work.core
        if version is not None and pcr_hash is not None:
            raise ConfigurationError(
                "a version and a pcr_hash were named", hint="A version stands for its builds."
            )
        builds: frozenset[Bytes32] | None = None
        if version is not None:
            builds = frozenset((await self.history()).resolve(version=version))
        elif pcr_hash is not None:
            several = (pcr_hash,) if isinstance(pcr_hash, str | bytes) else pcr_hash
            builds = frozenset(_hash("pcr_hash", one) for one in several)
        query = ImpactQuery(
            pcr_hashes=builds,
            version=version,
            model=None if model is None else str(bare_model(model)),
            tee_id=None if tee_id is None else _hash("tee_id", tee_id),
            since=since,
            until=until,
            owner=None if owner is None else _address(owner),
            network=network,
        )
        await core.ledger.flushed()
        receipts = TouchedReceipts(core.store, core.vault)
        clocks = Clocks(receipts, await core.history.timeline())
        return await impact(core.store, query, as_of=core.clock.now(), clocks=clocks)

    async def report(self, impact: Impact, *, online: bool = False) -> str:
        """Return an impact as what one hands to an auditor: Markdown that stands by itself.

        It has the builds by the registry's history, everything that receipts list as still open,
        and which chains were asked about it. Those are none, unless ``online`` has them asked
        first: about open payments and hashes of this wallet, and about builds. What they say is
        written into the ledger; one that fails is named, and what the others said is used.

        **Money**: free.

        Raises:
            LedgerError: The ledger could not be read.
        """
        from ...ledger.impact import Inquiry, audit, paid_since

        core, inquiry = self._work.core, Inquiry()
        if online:
            from ..inquiring import inquire

            inquiry = await inquire(core, impact)
            await core.ledger.flushed()
            impact = await paid_since(core.store, impact, as_of=core.clock.now())
        return await audit(
            core.store,
            impact,
            vault=core.vault,
            timeline=await core.history.timeline(),
            inquiry=inquiry,
        )


def _hash(name: str, value: Bytes32 | str) -> Bytes32:
    try:
        return Bytes32(value)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}", hint="0x and 64 hex digits.") from None


def _address(value: Address | str) -> Address:
    try:
        return Address(value)
    except ValueError as error:
        raise ConfigurationError(f"owner: {error}", hint="0x and 40 hex digits.") from None
