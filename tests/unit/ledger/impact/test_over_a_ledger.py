"""An impact over what the ledger itself has written, not over rows by hand."""

from __future__ import annotations

from opengradient_sdk.ledger.impact import Calls, Lineage, agent_run, impact
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount

from ...payments.makers import CAP
from ..books import Books
from .makers import AS_OF, OF_B, A, B, answered, numbers


async def test_it_reads_what_the_ledger_writes(books: Books) -> None:
    settled = PaymentStatus(PaymentState.SETTLED, "settled", amount=Amount(9_000))
    wrong = answered(1, build=B, tag="daily", nonce=1)
    books.ledger.record(wrong)
    books.ledger.record(answered(2, 1, nonce=2))
    books.ledger.record(answered(3, nonce=2))
    books.ledger.payment(wrong.authorization, settled)
    await books.ledger.flushed()

    found = await impact(books.store, OF_B, as_of=AS_OF)

    assert numbers(found.outputs) == [1]
    assert numbers(found.downstream) == [2]
    first, second = found.payments
    assert (first.status, first.cap) == (settled, Amount(CAP))
    assert first.outputs == second.downstream == Calls(1, Amount(1500))
    assert second.charged is None
    assert [tag.name for tag in found.tags] == ["daily"]


async def test_a_chained_run_leads_from_the_first_answer_to_the_last(books: Books) -> None:
    async with agent_run("nightly report", chain=True) as run:
        for number, build in ((1, A), (2, B), (3, A), (4, A)):
            lineage = Lineage.here()
            parents = [int(parent.removeprefix("rcpt_")) for parent in lineage.parents]
            receipt = answered(number, *parents, build=build, run=lineage.run)
            books.ledger.record(receipt)
            lineage.answered(receipt.id)
    await books.ledger.flushed()

    found = await impact(books.store, OF_B, as_of=AS_OF)

    assert [(each.id, each.depth) for each in found.touched] == [
        ("rcpt_2", 0),
        ("rcpt_3", 1),
        ("rcpt_4", 2),
    ]
    (mark,) = found.runs
    assert (mark.name, mark.outputs, mark.downstream) == (run.id, 1, 2)
