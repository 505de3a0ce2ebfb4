"""``ogsdk impact``: what did a build, a model or a node touch?"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigurationError
from .ledger import Store
from .outcome import told

if TYPE_CHECKING:
    from ..ledger.impact import Impact
    from ..ledger.timeline import Timeline


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
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.TREE,
    report: Annotated[
        Path | None, typer.Option(help="Also write a report for an auditor (Markdown).")
    ] = None,
) -> None:
    """Show which outputs those were, what was made from them, and which payments paid for them.

    What the registry reported is taken from the store, as far as a client has read it there.
    """
    with told():
        if version is not None and pcr_hash:
            raise ConfigurationError("--version stands for its builds: leave --pcr-hash out")
        found, timeline = asyncio.run(
            _impact(
                store,
                version=version,
                pcr_hash=pcr_hash,
                model=model,
                tee_id=tee_id,
                since=since,
                until=until,
                owner=owner,
                network=network,
            )
        )
        print(_shown(found, form))
        if report is not None:
            report.write_text(_report(found, timeline), encoding="utf-8")


async def _impact(
    place: str | None,
    *,
    version: str | None,
    pcr_hash: list[str] | None,
    model: str | None,
    tee_id: str | None,
    since: float | None,
    until: float | None,
    owner: str | None,
    network: str | None,
) -> tuple[Impact, Timeline | None]:
    from ..ledger.impact import ImpactQuery
    from ..ledger.impact import impact as impact_of
    from ..ledger.timeline import stored_timeline
    from ..types import Address, Bytes32
    from .stores import existing_store

    async with aclosing(existing_store(place)) as opened:
        timeline = await stored_timeline(opened)
        builds: frozenset[Bytes32] | None = None
        if version is not None:
            if timeline is None:
                raise ConfigurationError(
                    "no version is known: no client has read the registry's history in this store",
                    hint="Ask client.timeline.versions() once, or name the build: --pcr-hash.",
                )
            builds = frozenset(timeline.resolve(version=version))
        elif pcr_hash:
            builds = frozenset(Bytes32(one) for one in pcr_hash)
        query = ImpactQuery(
            pcr_hashes=builds,
            version=version,
            model=model,
            tee_id=None if tee_id is None else Bytes32(tee_id),
            since=since,
            until=until,
            owner=None if owner is None else Address(owner),
            network=network,
        )
        return await impact_of(opened, query, as_of=time.time()), timeline


def _shown(found: Impact, form: Form) -> str:
    from ..ledger.impact import mermaid, to_json, tree

    if form is Form.JSON:
        return json.dumps(to_json(found), indent=2)
    return tree(found) if form is Form.TREE else mermaid(found)


def _report(found: Impact, timeline: Timeline | None) -> str:
    from ..ledger.impact import builds_in, report

    versions = () if timeline is None else timeline.versions()
    return report(found, builds=builds_in(found, versions))
