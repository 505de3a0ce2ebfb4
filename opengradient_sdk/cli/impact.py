"""``ogsdk impact``: what did a build, a model or a node touch?"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ChainError, ConfigurationError, RegistryUnavailableError
from .ledger import Store
from .outcome import told

if TYPE_CHECKING:
    from ..client import AsyncOpenGradient
    from ..ledger.impact import Impact, ImpactQuery
    from ..ledger.timeline import Timeline
    from ..types import Bytes32


class Form(StrEnum):
    """How an impact is shown."""

    TREE = "tree"
    MERMAID = "mermaid"
    JSON = "json"


def impact(
    version: Annotated[str | None, typer.Option(help="A version: what builds are named.")] = None,
    pcr_hash: Annotated[
        list[str] | None, typer.Option(help="A build, by its PCR hash (0x…); may be repeated.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A model.")] = None,
    tee_id: Annotated[str | None, typer.Option(help="A node, by its tee id (0x…).")] = None,
    since: Annotated[float | None, typer.Option(help="From then on (Unix seconds).")] = None,
    until: Annotated[float | None, typer.Option(help="Before then (Unix seconds).")] = None,
    owner: Annotated[str | None, typer.Option(help="Outputs that this wallet paid for.")] = None,
    network: Annotated[
        str | None, typer.Option(help="Outputs that were paid on this chain (eip155:…).")
    ] = None,
    store: Store = None,
    store_key: Annotated[
        str | None, typer.Option(help="Where the store's key is, to hear the enclaves' clocks.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.TREE,
    report: Annotated[
        Path | None, typer.Option(help="Also write a report for an auditor (Markdown).")
    ] = None,
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="First ask the chains, as the client of OG_PRIVATE_KEY and OG_NETWORK."
        ),
    ] = False,
) -> None:
    """Show which outputs those were, what was made from them, and which payments paid for them.

    What the registry reported is taken from the store, as far as a client has read it there.
    """
    asked = _Asked(version, pcr_hash or [], model, tee_id, since, until, owner, network)
    with told():
        if version is not None and pcr_hash:
            raise ConfigurationError("--version stands for its builds: leave --pcr-hash out")
        look = _asking_chains if online else _looking_into_the_store
        found, text = asyncio.run(look(asked, store, store_key, with_report=report is not None))
        print(_shown(found, form))
        if report is not None and text is not None:
            report.write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say."""

    version: str | None
    pcr_hash: list[str]
    model: str | None
    tee_id: str | None
    since: float | None
    until: float | None
    owner: str | None
    network: str | None

    def query(self, timeline: Timeline | None) -> ImpactQuery:
        """Return the outputs in question, by what a history says of a version."""
        from ..client.call import bare_model
        from ..ledger.impact import ImpactQuery
        from ..types import Address, Bytes32

        return ImpactQuery(
            pcr_hashes=self._builds(timeline),
            version=self.version,
            model=None if self.model is None else str(bare_model(self.model)),
            tee_id=None if self.tee_id is None else Bytes32(self.tee_id),
            since=self.since,
            until=self.until,
            owner=None if self.owner is None else Address(self.owner),
            network=self.network,
        )

    async def of(self, client: AsyncOpenGradient) -> Impact:
        """Return the impact as a client finds it."""
        return await client.timeline.impact(
            pcr_hash=self.pcr_hash or None,
            version=self.version,
            model=self.model,
            tee_id=self.tee_id,
            since=self.since,
            until=self.until,
            owner=self.owner,
            network=self.network,
        )

    def _builds(self, timeline: Timeline | None) -> frozenset[Bytes32] | None:
        from ..types import Bytes32

        if self.version is None:
            return frozenset(map(Bytes32, self.pcr_hash)) or None
        if timeline is None:
            raise ConfigurationError(
                "no version is known: no client has read the registry's history in this store",
                hint="Read it with --online, or name the build: --pcr-hash.",
            )
        return frozenset(timeline.resolve(version=self.version))


async def _looking_into_the_store(
    asked: _Asked, place: str | None, key: str | None, *, with_report: bool
) -> tuple[Impact, str | None]:
    """Return the impact and the report on it, as far as the store knows."""
    from ..ledger.impact import Clocks, TouchedReceipts, audit
    from ..ledger.impact import impact as impact_of
    from ..ledger.timeline import stored_timeline
    from .stores import existing_store, existing_vault

    vault = existing_vault(place, key)
    async with aclosing(existing_store(place)) as opened:
        timeline = await stored_timeline(opened)
        clocks = Clocks(TouchedReceipts(opened, vault), timeline)
        query = asked.query(timeline)
        found = await impact_of(opened, query, as_of=time.time(), clocks=clocks)
        if not with_report:
            return found, None
        return found, await audit(opened, found, vault=vault, timeline=timeline)


async def _asking_chains(
    asked: _Asked, place: str | None, key: str | None, *, with_report: bool
) -> tuple[Impact, str | None]:
    """Return the impact and the report on it, after a client has asked the chains."""
    from ..client import AsyncOpenGradient
    from .stores import existing_store

    await existing_store(place).aclose()  # raises where there is none: a look makes no file
    async with AsyncOpenGradient(store=place, store_key=key) as client:
        with suppress(ChainError, RegistryUnavailableError):  # the report says that it failed
            await client.timeline.history()
        text = await client.timeline.report(await asked.of(client), online=True)
        found = await asked.of(client)  # with what the chains have said now
        return found, text if with_report else None


def _shown(found: Impact, form: Form) -> str:
    from ..ledger.impact import mermaid, to_json, tree

    if form is Form.JSON:
        return json.dumps(to_json(found), indent=2)
    return tree(found) if form is Form.TREE else mermaid(found)
