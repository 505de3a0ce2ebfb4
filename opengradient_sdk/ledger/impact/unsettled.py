"""What is still open about an impact, and which chains were asked about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Final

from .findings import Impact
from .markdown import code, text
from .wording import moment, number_of

if TYPE_CHECKING:
    from ..timeline.horizon import Horizon
    from ..timeline.timeline import Timeline
    from .receipts import TouchedReceipts

MOST_LOOKED_AT: Final = 5_000
"""Receipts of which a report says what is open: a few seconds of reading."""


class Source(Enum):
    """A chain that can say more than the ledger; the value is its name in a report."""

    PAYMENTS = "the payments chain: what was charged"
    DATA = "the relay's chain: whether the hashes of answers were settled"
    REGISTRY = "the registry's chain: what became of builds and nodes"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Which chains were asked before a report was made.

    ``asked`` answered. ``failures`` could not be asked, or not about everything, and why.
    """

    asked: frozenset[Source] = frozenset()
    failures: Mapping[Source, str] = field(default_factory=dict[Source, str])


NOBODY: Final = Inquiry()
"""No chain was asked: all is as the ledger has it."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What is open about touched receipts.

    Attributes:
        receipts: What each lists as unresolved, by its id.
        unread: Touched receipts that were not looked at, as there are too many.
        inquiry: Who was asked.
        horizon: How far the registry's history was read; ``None`` where it is not known.
    """

    receipts: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    unread: int = 0
    inquiry: Inquiry = NOBODY
    horizon: Horizon | None = None


NOT_LOOKED: Final = Unsettled()


async def find_unsettled(
    receipts: TouchedReceipts, impact: Impact, inquiry: Inquiry, timeline: Timeline | None
) -> Unsettled:
    """Return what the touched receipts list as open, nearest to the outputs first.

    Raises:
        LedgerError: One cannot be read.
    """
    looked_at = [each.id for each in islice(impact.touched, MOST_LOOKED_AT)]
    found = {receipt.id: receipt.unresolved for receipt in await receipts.read(looked_at)}
    return Unsettled(
        receipts={id_: found[id_] for id_ in looked_at if found.get(id_)},
        unread=len(impact.touched) - len(looked_at),
        inquiry=inquiry,
        horizon=None if timeline is None else timeline.horizon,
    )


def open_section(impact: Impact, unsettled: Unsettled, rows: int) -> Iterator[str]:
    """Yield the lines of a report about what is open; ``rows`` of them, the others are counted."""
    yield "## Not settled, or uncertain"
    yield ""
    items = list(_items(impact, unsettled))
    yield from items[:rows] or ["Nothing that the ledger knows of."]
    if len(items) > rows:
        yield f"- … {len(items) - rows:,} more"
    yield ""
    yield "### Asked, and not asked"
    yield ""
    yield from _inquiry(impact, unsettled)


def _items(impact: Impact, unsettled: Unsettled) -> Iterator[str]:
    for id_ in impact.uncertain:
        yield f"- {code(id_)}: uncertain: {text(impact.doubts[id_])}"
    for payment in impact.payments:
        if not payment.settled:
            word = "nothing is known of it" if payment.status is None else str(payment.status)
            yield f"- authorization {code(str(payment.nonce))}: {text(word)}"
    for calls, what in (
        (impact.output_calls, "in question"),
        (impact.downstream_calls, "made from them"),
    ):
        if calls.unpriced:
            yield f"- {number_of(calls.unpriced, 'call')} {what}: the cost is not known"
    for id_ in impact.missing:
        yield f"- {code(id_)}: named as made from an output, but it has no receipt in this ledger"
    for each in impact.touched:
        for item in unsettled.receipts.get(each.id, ()):
            yield f"- {code(each.id)}: {text(item)}"
    if unsettled.unread:
        yield f"- {number_of(unsettled.unread, 'more receipt')}: not looked at for what is open"


def _inquiry(impact: Impact, unsettled: Unsettled) -> Iterator[str]:
    inquiry = unsettled.inquiry
    for source in Source:
        if (reason := inquiry.failures.get(source)) is not None:
            yield f"- could not be asked: {source.value}: {text(reason)}"
        elif source in inquiry.asked:
            yield f"- asked for this report: {source.value}"
        else:
            yield f"- not asked: {source.value}; it stands here as the ledger last heard it"
    yield f"- {_history(unsettled.horizon)}"
    known = impact.changes_known_to
    if known is not None:
        yield (
            f"- outputs were looked at for changes up to block {known.block} of the registry's "
            f"chain, {moment(known.time)}; later ones make none of them uncertain here"
        )


def _history(horizon: Horizon | None) -> str:
    if horizon is None or horizon.head is None:
        return (
            "no client has read the registry's history into this store: which outputs were given "
            "near to an approval or a revocation is not known"
        )
    block, time = horizon.head.block, moment(horizon.head.time)
    by = ", ".join(map(text, horizon.endpoints)) or "one endpoint"
    return f"the registry's history was read up to block {block}, {time}, by {by}"
