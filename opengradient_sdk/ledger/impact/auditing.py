"""The report on an impact: what one hands to an auditor."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ...types import Bytes32
from .findings import Impact, Mark, Touched
from .markdown import Row, code, table
from .payments_section import payments_section
from .query import ImpactQuery
from .receipts import TouchedReceipts
from .unsettled import NOBODY, NOT_LOOKED, Inquiry, Unsettled, find_unsettled, open_section
from .wording import moment, number_of, plain, price

if TYPE_CHECKING:
    from ..._core.store import Store
    from ..._core.vault import Vault
    from ..timeline.events import Place
    from ..timeline.horizon import Horizon
    from ..timeline.timeline import Timeline
    from ..timeline.versions import Period, Version


def report(
    impact: Impact,
    *,
    builds: Sequence[Version] = (),
    unsettled: Unsettled = NOT_LOOKED,
    rows: int = 1_000,
) -> str:
    """Return the impact as a Markdown report that stands by itself.

    ``builds`` are the versions in question by the registry's history, ``unsettled`` is what is
    still open and who was asked about it: `audit` finds both. Tables end after ``rows`` rows and
    say how many follow; the JSON form has them all.
    """
    sections = (
        _question(impact),
        _builds(builds, impact.query),
        _in_short(impact),
        _outputs(impact, rows),
        _downstream(impact, rows),
        payments_section(impact, rows),
        _runs_and_tags(impact, rows),
        open_section(impact, unsettled, rows),
        _repeat(impact.query),
        _limits(impact, unsettled.horizon),
    )
    return "\n".join(line for section in sections for line in (*section, "")).rstrip() + "\n"


async def audit(
    store: Store,
    impact: Impact,
    *,
    vault: Vault | None = None,
    timeline: Timeline | None = None,
    inquiry: Inquiry = NOBODY,
) -> str:
    """Return the report on an impact with everything that this store knows to be open.

    It asks no chain: ``inquiry`` says which ones were asked before, and the report names those that
    were not. ``timeline`` is the registry's history as it is known, ``None`` where it is not.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    versions = () if timeline is None else timeline.versions()
    return report(
        impact,
        builds=builds_in(impact, versions),
        unsettled=await find_unsettled(TouchedReceipts(store, vault), impact, inquiry, timeline),
    )


def builds_in(impact: Impact, versions: Iterable[Version]) -> Sequence[Version]:
    """Return the versions that an impact is about: those asked for, and those of its outputs."""
    asked = impact.query.pcr_hashes or frozenset[Bytes32]()
    wanted = asked.union(output.pcr_hash for output in impact.outputs)
    return [version for version in versions if version.pcr_hash in wanted]


def _question(impact: Impact) -> Iterator[str]:
    query = impact.query
    yield "# What a rollback touches"
    yield ""
    yield "## Question"
    yield ""
    yield "Which outputs did this make, and what was made from them?"
    yield ""
    for name, value in query.named():
        yield f"- {name}: {code(value)}"
    since = "the ledger's beginning" if query.since is None else moment(query.since)
    until = "now" if query.until is None else f"before {moment(query.until)}"
    yield f"- period: from {since} until {until}, by the clock of the client that made the call"
    yield f"- read at: {moment(impact.as_of)}, by the clock of the client that made this report"
    yield ""
    yield "All times are UTC. Each says whose clock it is; clocks that disagree are not merged."


def _builds(builds: Sequence[Version], query: ImpactQuery) -> Iterator[str]:
    yield "## Builds"
    yield ""
    if not builds:
        yield "The registry's history was not asked."
        if query.pcr_hashes is not None:
            yield "The builds in question were taken as they are given above."
        return
    yield "As the registry's events say, by the times of their blocks."
    yield ""
    periods = [(build, period) for build in builds for period in build.periods]
    columns = ("Version", "Build", "Nodes", "Approved", "Revoked", "Final")
    yield from table(columns, (_period(*each) for each in periods), len(periods))


def _period(build: Version, period: Period) -> Row:
    return (
        code(period.label),
        code(str(build.pcr_hash)),
        f"{len(build.nodes):,}",
        _place(period.since),
        "no" if period.until is None else _place(period.until),
        "yes" if period.final else "not yet: a reorg may take it back",
    )


def _place(place: Place) -> str:
    return f"block {place.block}, {moment(place.time)}"


def _in_short(impact: Impact) -> Iterator[str]:
    yield "## In short"
    yield ""
    uncertain, thin = len(impact.uncertain), len(impact.only_through_doubt)
    yield f"- in question: {impact.output_calls} (computed)"
    if uncertain:
        yield (
            f"- of these certain: {len(impact.outputs) - uncertain:,}; uncertain: {uncertain:,}, "
            "as only clocks tell on which side of a change they were given"
        )
    yield f"- made from them: {impact.downstream_calls} (computed)"
    if thin:
        yield f"- of these only from uncertain ones: {thin:,}"
    yield f"- authorizations that these calls joined: {len(impact.payments):,}"
    unknown = sum(payment.charged is None for payment in impact.payments)
    not_known = f"; of {unknown:,} the charge is not known" if unknown else ""
    yield f"- charged to their sessions, other calls included: {impact.charged}{not_known}"
    yield f"- runs: {len(impact.runs):,}, tags: {len(impact.tags):,}"


def _outputs(impact: Impact, rows: int) -> Iterator[str]:
    yield "## Outputs in question"
    yield ""
    if not impact.outputs:
        yield "None."
        return
    doubted = frozenset(impact.uncertain)
    yield from table(
        ("Receipt", "At", "Model", "Build", "Node", "Computed cost", "Run", "Tag", "In question"),
        (
            (
                *_identity(each),
                code(_short(each.pcr_hash)),
                code(_short(each.tee_id)),
                price(each.cost),
                _maybe(each.run),
                _maybe(each.tag),
                "uncertain" if each.id in doubted else "yes",
            )
            for each in impact.outputs[:rows]
        ),
        len(impact.outputs),
    )


def _downstream(impact: Impact, rows: int) -> Iterator[str]:
    yield "## Made from them"
    yield ""
    if not impact.downstream:
        yield "No receipt names one of them as a parent, at any depth."
        return
    for depth, level in groupby(impact.downstream, key=lambda each: each.depth):
        receipts = list(level)
        room, rows = rows, max(0, rows - len(receipts))
        yield f"### {number_of(depth, 'step')} away: {number_of(len(receipts), 'receipt')}"
        yield ""
        yield from table(
            ("Receipt", "At", "Model", "Computed cost", "Run", "Tag", "Made from"),
            (
                (
                    *_identity(each),
                    price(each.cost),
                    _maybe(each.run),
                    _maybe(each.tag),
                    _several(each.via),
                )
                for each in receipts[:room]
            ),
            len(receipts),
        )
        yield ""


def _runs_and_tags(impact: Impact, rows: int) -> Iterator[str]:
    yield "## Runs and tags"
    for title, marks in (("Run", impact.runs), ("Tag", impact.tags)):
        yield ""
        if marks:
            columns = (title, "Outputs in question", "Made from them")
            yield from table(columns, map(_mark, marks[:rows]), len(marks))
        else:
            yield f"No {title.lower()} is touched."


def _mark(mark: Mark) -> Row:
    return code(mark.name), f"{mark.outputs:,}", f"{mark.downstream:,}"


def _repeat(query: ImpactQuery) -> Iterator[str]:
    yield "## How to repeat this"
    yield ""
    yield "With the same store, and first of all whether it is unchanged:"
    yield ""
    yield "```"
    yield "ogsdk ledger verify"
    yield shlex.join(["ogsdk", "impact", *_options(query)])
    yield "```"
    yield ""
    yield (
        "One output, without this store and without trust in it: `client.receipts.export(id)` "
        "and `ogsdk verify <bundle>`."
    )


def _options(query: ImpactQuery) -> Iterator[str]:
    builds = () if query.version else sorted(map(str, query.pcr_hashes or ()))
    given = (
        ("--version", query.version),
        *(("--pcr-hash", build) for build in builds),
        ("--model", query.model),
        ("--tee-id", None if query.tee_id is None else str(query.tee_id)),
        ("--since", None if query.since is None else repr(query.since)),
        ("--until", None if query.until is None else repr(query.until)),
        ("--owner", query.owner),
        ("--network", query.network),
    )
    for option, value in given:
        if value is not None:
            yield f"{option}={plain(value)}"


def _limits(impact: Impact, horizon: Horizon | None) -> Iterator[str]:
    yield "## What this cannot show"
    yield ""
    yield "- Outputs that were used outside this SDK, copied by hand, or read by people."
    yield "- Parents that nobody declared: a call rests on what its `parents` or its chain name."
    yield "- Calls that are in other stores, or that were made without one."
    yield "- What agents did with an answer besides asking again: their own records say that."
    yield "- Whether an answer was wrong. It shows which build made it, and what followed."
    yield (
        "- An end of the ledger that was cut off, unless a checkpoint of it is kept elsewhere "
        "and was compared."
    )
    if impact.query.pcr_hashes is not None:
        yield (
            "- Another build behind the same registration: the build is the one that the registry "
            "listed for the node when the call was made, and was measured only where the receipt "
            "says ATTESTED."
        )
    if horizon is not None and horizon.max_age:
        yield f"- Which nodes were silent in the past, for sure. {horizon.assumptions[0]}"


def _identity(each: Touched) -> tuple[str, str, str]:
    return code(each.id), moment(each.at), code(each.model)


def _several(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 5:,} more" if len(ids) > 5 else ""
    return ", ".join(map(code, ids[:5])) + more


def _maybe(name: str | None) -> str:
    return "" if name is None else code(name)


def _short(hash_: Bytes32) -> str:
    return f"{str(hash_)[:10]}…{str(hash_)[-4:]}"
