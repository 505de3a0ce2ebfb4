"""The section of a report about who paid."""

from __future__ import annotations

from collections.abc import Iterator

from ...types import Amount
from .findings import Impact, TouchedPayment
from .markdown import Row, code, table
from .wording import moment, number_of


def payments_section(impact: Impact, rows: int) -> Iterator[str]:
    """Yield the lines of a report about payments; of each table ``rows`` rows, the rest counted."""
    yield "## Payments"
    yield ""
    yield (
        "An authorization pays for a whole session, also for calls that nothing of this concerns: "
        "its charge is not the price of the calls named here. Their costs are computed from token "
        "counts and prices. Other calls are counted as the ledger has them now, if no time says "
        "otherwise; those that left no receipt, as of the time of the state."
    )
    for title, payments in (
        ("For outputs in question", impact.output_payments),
        ("For what was made from them", impact.downstream_payments),
    ):
        yield ""
        yield f"### {title}: {number_of(len(payments), 'authorization')}"
        yield ""
        if payments:
            yield from table(_PAYMENT, map(_payment, payments[:rows]), len(payments))


_PAYMENT = (
    "Network",
    "Owner",
    "Nonce",
    "Paid to",
    "Cap",
    "State",
    "Charged to the session",
    "Calls in question",
    "Calls made from them",
    "Other calls",
)


def _payment(each: TouchedPayment) -> Row:
    return (
        code(each.network),
        code(each.owner),
        code(str(each.nonce)),
        "not known" if each.recipient is None else code(each.recipient),
        _known(each.cap),
        _state(each),
        _known(each.charged),
        str(each.outputs),
        str(each.downstream),
        _others(each),
    )


def _others(each: TouchedPayment) -> str:
    if each.others is None:
        return "not known"
    lags = each.receipts is None and each.told_at is not None
    return f"{each.others:,}" + (f", as of {moment(each.told_at or 0.0)}" if lags else "")


def _state(each: TouchedPayment) -> str:
    status = each.status
    if status is None:
        return "not known"
    where = "" if status.block_number is None else f", block {status.block_number}"
    what = "" if status.transaction is None else f", transaction {code(str(status.transaction))}"
    when = "" if each.told_at is None else f", as of {moment(each.told_at)}"
    return f"{status.state.value}{where}{what}{when}"


def _known(amount: Amount | None) -> str:
    return "not known" if amount is None else str(amount)
