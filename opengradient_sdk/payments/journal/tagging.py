"""Calls that count under a limited tag: admitted and ended together with the tag's sum."""

from __future__ import annotations

from dataclasses import dataclass

from ..._core.store import Db
from ...errors import BudgetExceededError
from ..budget.pools import correct_tag, reserve_tag, standing
from ..budget.standing import Standing
from . import calls
from .calls import Admission, Begun, Interrupted
from .holders import Desk, attend, run_of
from .records import CallRecord, CallState


@dataclass(frozen=True, slots=True)
class TagShare:
    """What one admission counts under a tag: ``estimate`` atoms, in ``run`` of the budget.

    ``maybe_billed`` is what earlier copies of the call may have cost; they are counted already.
    """

    run: str
    tag: str
    estimate: int
    maybe_billed: int


def admit(db: Db, desk: Desk, record: CallRecord, now: float) -> tuple[Admission, TagShare | None]:
    """Decide who makes a call; where that is this holder, count its estimate under its tag.

    Raises:
        IdempotencyConflictError: Its key belongs to another call.
        BudgetExceededError: The tag's limit does not cover it. Nothing was written.
    """
    attend(db, desk, now)
    admission = calls.admit(db, desk, record)
    if not isinstance(admission, Begun | Interrupted):
        return admission, None
    return admission, _counted(db, desk, admission.record, now)


def end(db: Db, desk: Desk, record: CallRecord, share: TagShare | None) -> None:
    """Write down how a call ended, and put its cost in the place of its estimate."""
    calls.end(db, desk, record)
    if share is not None and (by := _correction(record, share)):
        correct_tag(db, desk.pool, share.run, share.tag, by)


def standing_of(db: Db, desk: Desk, now: float) -> Standing:
    """Return how the budget stands, against this client's limits."""
    return standing(db, desk.pool, run_of(db, desk, now), desk.limits, now)


def _counted(db: Db, desk: Desk, record: CallRecord, now: float) -> TagShare | None:
    tag = record.tag
    if tag is None or tag not in desk.limits.tags:
        return None
    if record.estimate is None:
        raise BudgetExceededError(
            f"the tag {tag!r} has a limit, and what this call costs cannot be estimated",
            hint="No price is published for its model. Make the call without the tag.",
        )
    run = run_of(db, desk, now)
    reserve_tag(db, desk.pool, run, desk.limits, tag, record.estimate)
    return TagShare(run, tag, record.estimate, record.maybe_billed)


def _correction(record: CallRecord, share: TagShare) -> int:
    """Return by how much the tag's sum is wrong (atoms). What may have been billed stays in it."""
    lost = record.maybe_billed - share.maybe_billed
    match record.state:
        case CallState.SERVED:
            cost = share.estimate if record.cost is None else record.cost
            return cost + lost - share.estimate
        case CallState.FAILED:
            return lost - share.estimate
        case _:  # nobody knows
            return max(lost - share.estimate, 0)
