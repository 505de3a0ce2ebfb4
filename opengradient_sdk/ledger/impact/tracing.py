"""From the outputs in question to everything that was made from them."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..._core.store import Row, Store
from .findings import Impact, Mark, Touched
from .lineage import enclosing_runs
from .paying import payments_of
from .query import ImpactQuery
from .reading import (
    EARLIER,
    LATER,
    Link,
    chunks,
    find_links,
    find_outputs,
    find_receipts,
    require_bounds,
    touched_of,
)

if TYPE_CHECKING:
    from .clocks import Clocks


async def impact(
    store: Store, query: ImpactQuery, *, as_of: float, clocks: Clocks | None = None
) -> Impact:
    """Return what the outputs in question touched: calls to any depth, payments, runs and tags.

    It reads what is durable, and asks no chain; what is recorded meanwhile may be part of it or
    not. ``as_of`` is now, in Unix seconds of the client's clock. What other clients of the store
    made from an output is followed, too: a team's agents build on each other's answers.

    With ``clocks``, outputs so near to a change that only these tell on which side are part of it,
    as uncertain ones. Without, none is: the time of the question alone decides on the period.

    Raises:
        LedgerError: The ledger cannot be read.
        ConfigurationError: More is touched than one answer can hold.
    """
    outputs, doubts = await _outputs(store, query, clocks)
    ids = [row[0] for row in outputs]
    links = await _links(store, ids)
    # off the event loop: a large impact takes seconds, in which it has others to serve
    path = await asyncio.to_thread(_follow, ids, links)
    rows = outputs + [
        row for chunk in chunks(path.downstream) for row in await store.run(find_receipts(chunk))
    ]
    touched = await asyncio.to_thread(_placed, rows, path)
    known = {each.id for each in touched}
    return Impact(
        query=query,
        as_of=as_of,
        outputs=tuple(each for each in touched if not each.depth),
        downstream=tuple(each for each in touched if each.depth),
        payments=await payments_of(store, touched),
        runs=_marks((run, each) for each in touched for run in enclosing_runs(each.run)),
        tags=_marks((each.tag, each) for each in touched if each.tag is not None),
        doubts=doubts,
        changes_known_to=None if clocks is None else clocks.changes_known_to,
        missing=tuple(id_ for id_ in path.depths if id_ not in known),
    )


async def paid_since(store: Store, impact: Impact, *, as_of: float) -> Impact:
    """Return the same impact with the newest that the ledger knows of its payments.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    return replace(impact, as_of=as_of, payments=await payments_of(store, impact.touched))


async def _outputs(
    store: Store, query: ImpactQuery, clocks: Clocks | None
) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of the outputs in question, and the doubts about them."""
    if clocks is None:
        return await store.run(find_outputs(query)), {}
    rows = await store.run(find_outputs(query, earlier=EARLIER, later=LATER))
    return await clocks.judge(query, rows)


async def _links(store: Store, outputs: Sequence[str]) -> Sequence[Link]:
    """Return all links downstream of the outputs, in no order."""
    links: list[Link] = []
    known = set(outputs)
    waiting = list(outputs)
    while waiting:
        found, waiting = await store.run(find_links(waiting, known))
        links += found
        known.update(child for _, child in found)
        require_bounds(receipts=len(known), links=len(links))
    return links


@dataclass(frozen=True, slots=True)
class _Path:
    """How far each touched receipt is from an output, nearest first, and its touched parents."""

    depths: Mapping[str, int]
    parents: Mapping[str, Sequence[str]]

    @property
    def downstream(self) -> Sequence[str]:
        return [id_ for id_, depth in self.depths.items() if depth]


def _follow(outputs: Sequence[str], links: Sequence[Link]) -> _Path:
    """Follow the links breadth first: each receipt is reached by the shortest way."""
    children: dict[str, list[str]] = defaultdict(list)
    for parent, child in links:
        children[parent].append(child)
    depths = dict.fromkeys(outputs, 0)
    parents: dict[str, list[str]] = defaultdict(list)
    queue = list(outputs)
    for parent in queue:  # it grows meanwhile
        for child in children.get(parent, ()):
            parents[child].append(parent)
            if child not in depths:
                depths[child] = depths[parent] + 1
                queue.append(child)
    return _Path(depths, parents)


def _placed(rows: Iterable[Row], path: _Path) -> Sequence[Touched]:
    """Return the receipts with their place on the path, nearest and oldest first."""
    touched = [
        touched_of(row, depth=path.depths[row[0]], via=tuple(sorted(path.parents.get(row[0], ()))))
        for row in rows
    ]
    return sorted(touched, key=lambda each: (each.depth, each.at, each.id))


def _marks(named: Iterable[tuple[str, Touched]]) -> tuple[Mark, ...]:
    outputs: Counter[str] = Counter()
    downstream: Counter[str] = Counter()
    for name, touched in named:
        (downstream if touched.depth else outputs)[name] += 1
    return tuple(
        Mark(name, outputs[name], downstream[name]) for name in sorted({*outputs, *downstream})
    )
