"""An impact as plain JSON values."""

from __future__ import annotations

from typing import Final

from ...types import Amount
from .findings import Calls, Impact, Mark, Touched, TouchedPayment
from .query import ImpactQuery

FORMAT: Final = "opengradient-impact"
VERSION: Final = 1


def to_json(impact: Impact) -> dict[str, object]:
    """Return the whole impact as JSON values; nothing is cut.

    Amounts are atoms of 10^-18 OPG and nonces, both as decimal text; times are Unix seconds of
    the client's clock, that of ``changes_known_to`` of the registry's chain. ``format`` and
    ``version`` name this form.
    """
    known = impact.changes_known_to
    thin = impact.only_through_doubt
    return {
        "format": FORMAT,
        "version": VERSION,
        "query": _query(impact.query),
        "as_of": impact.as_of,
        "totals": {
            "outputs": _calls(impact.output_calls),
            "downstream": _calls(impact.downstream_calls),
            "certain_outputs": len(impact.outputs) - len(impact.uncertain),
            "uncertain_outputs": len(impact.uncertain),
            "charged_to_sessions": _atoms(impact.charged),
        },
        "outputs": [_touched(each) for each in impact.outputs],
        "downstream": [_touched(each) for each in impact.downstream],
        "payments": [_payment(each) for each in impact.payments],
        "runs": [_mark(each) for each in impact.runs],
        "tags": [_mark(each) for each in impact.tags],
        "uncertain": list(impact.uncertain),
        "doubts": dict(impact.doubts),
        "changes_known_to": None if known is None else {"block": known.block, "time": known.time},
        "only_through_uncertain": [each.id for each in impact.downstream if each.id in thin],
        "missing": list(impact.missing),
    }


def _query(query: ImpactQuery) -> dict[str, object]:
    builds = query.pcr_hashes
    return {
        "pcr_hashes": None if builds is None else sorted(str(build) for build in builds),
        "version": query.version,
        "model": query.model,
        "tee_id": None if query.tee_id is None else str(query.tee_id),
        "since": query.since,
        "until": query.until,
        "owner": query.owner,
        "network": query.network,
    }


def _touched(each: Touched) -> dict[str, object]:
    return {
        "id": each.id,
        "at": each.at,
        "model": each.model,
        "tag": each.tag,
        "run": each.run,
        "tee_id": str(each.tee_id),
        "pcr_hash": str(each.pcr_hash),
        "owner": each.owner,
        "network": each.network,
        "nonce": str(each.nonce),
        "cost": _atoms(each.cost),
        "depth": each.depth,
        "via": list(each.via),
    }


def _payment(each: TouchedPayment) -> dict[str, object]:
    status = each.status
    transaction = None if status is None else status.transaction
    return {
        "network": each.network,
        "owner": each.owner,
        "nonce": str(each.nonce),
        "recipient": each.recipient,
        "cap": _atoms(each.cap),
        "state": None if status is None else status.state.value,
        "charged_to_session": _atoms(each.charged),
        "transaction": None if transaction is None else str(transaction),
        "block_number": None if status is None else status.block_number,
        "session_calls": each.session,
        "session_receipts": each.receipts,
        "other_calls": each.others,
        "told_at": each.told_at,
        "outputs": _calls(each.outputs),
        "downstream": _calls(each.downstream),
    }


def _calls(calls: Calls) -> dict[str, object]:
    return {"count": calls.count, "cost": _atoms(calls.cost), "unpriced": calls.unpriced}


def _mark(mark: Mark) -> dict[str, object]:
    return {"name": mark.name, "outputs": mark.outputs, "downstream": mark.downstream}


def _atoms(amount: Amount | None) -> str | None:
    return None if amount is None else str(amount.atoms)
