"""The rules themselves: each sees exactly what it is there for, in a record made up for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from .cells import CAP, Cell, matrix
from .customer import Wish
from .evidence import Evidence, Journalled, Network, Settled
from .recording import Line
from .rules import MAX_OPEN, RULES, judge

CELL = next(
    cell
    for cell in matrix(range(20), ["cut-response"])
    if cell.plan.named and cell.plan.caps > MAX_OPEN
)
TRUTH = Wish("struck", "hi", stream=False, timeout=1.0)
COST = 10**15


@dataclass
class Record:
    """A run as it may have been: one call on one authorization, answered and charged."""

    lines: list[Line] = field(default_factory=list[Line])
    nonces: list[str] = field(default_factory=list[str])
    cell: Cell = CELL
    charged: int = COST
    owed: int | None = None
    settled: dict[str, Settled] = field(default_factory=dict[str, Settled])
    journal: list[Journalled] = field(default_factory=list[Journalled])
    exposures: list[int] = field(default_factory=list[int])
    verified: list[str] = field(default_factory=list[str])
    exposed: int = 0
    counted: int = COST

    def say(self, what: str, **facts: Any) -> Record:
        self.lines.append({"what": what, "key": "struck", "at": float(len(self.lines)), **facts})
        return self

    def sign(self, nonce: str) -> Record:
        self.nonces.append(nonce)
        self.journal.append(Journalled(nonce, CAP, "not charged", 0))
        self.verified.append(nonce)
        return self.say("signed", nonce=nonce, cap=CAP)

    def send(self, nonce: str, *, node: str = "a", header: str = "") -> Record:
        name = str(len(self.lines))
        return self.say(
            "sending", request=name, node=node, nonce=nonce, header=header or f"header {nonce}"
        )

    def answer(self, status: int = 200) -> Record:
        return self.say("answered", request=self._last, status=status)

    def lose(self, *, sent: bool = True) -> Record:
        return self.say("lost", request=self._last, sent=sent, why="cut")

    def pay(self, nonce: str, amount: int = COST) -> Record:
        """The chain charges it, and the journal says so."""
        self.settled[nonce] = Settled(amount, 1000.0)
        self.journal = [
            replace(row, state="settled", charged=amount) if row.nonce == nonce else row
            for row in self.journal
        ]
        return self

    @property
    def _last(self) -> str:
        return next(line["request"] for line in reversed(self.lines) if line["what"] == "sending")

    def evidence(self) -> Evidence:
        network = Network(
            charged=self.charged,
            owed=self.charged if self.owed is None else self.owed,
            settled=self.settled,
            verified=frozenset(self.verified),
            billed=1,
            sessions={},
        )
        return Evidence(
            self.cell,
            {"struck": TRUTH},
            offset=0.0,
            lines=self.lines,
            journal=self.journal,
            exposures=self.exposures,
            standing={"exposed": self.exposed, "settled": self.counted},
            network=network,
        )

    def broken(self) -> set[str]:
        return {violation.rule for violation in judge(self.evidence()).violations}


def good() -> Record:
    record = Record().say("asked").sign("1").send("1").answer()
    return record.say("returned", text=TRUTH.truth).pay("1")


def refused_once() -> Record:
    record = Record().say("asked").sign("1").send("1").answer(402)
    return record.sign("2").send("2").answer().say("returned", text=TRUTH.truth).pay("2")


def sent_again() -> Record:
    record = Record().say("asked").sign("1").send("1").lose().send("1").answer()
    return record.say("returned", text=TRUTH.truth).pay("1")


def signed_and_gone() -> Record:
    """The process died before the authorization could leave it; the next one signs again."""
    record = Record().say("asked").sign("0")
    record.journal.clear()
    record.verified.clear()
    return (
        record.say("asked").sign("1").send("1").answer().say("returned", text=TRUTH.truth).pay("1")
    )


def unknown_for_good() -> Record:
    record = Record().say("asked").sign("1").send("1").lose().send("1").lose()
    return record.say("raised", error="PaymentOutcomeUnknownError", spent="MAYBE").pay("1")


ALLOWED = (good, refused_once, sent_again, signed_and_gone, unknown_for_good)


@pytest.mark.parametrize("record", ALLOWED)
def test_what_is_allowed_breaks_no_rule(record: Callable[[], Record]) -> None:
    assert record().broken() == set()


def too_many_open() -> Record:
    record = Record(charged=0, counted=0).say("asked")
    for nonce in range(MAX_OPEN + 1):
        record.sign(str(nonce)).send(str(nonce)).answer(402)
    return record.say("raised", error="PaymentRejectedError")


def signed_after_a_loss() -> Record:
    record = Record().say("asked").sign("1").send("1").lose().sign("2").send("2").answer()
    return record.say("returned", text=TRUTH.truth).pay("2")


def signed_after_a_death() -> Record:
    record = Record().say("asked").sign("1").send("1").say("asked").sign("2").send("2").answer()
    return record.say("returned", text=TRUTH.truth).pay("2")


def signed_after_an_answer() -> Record:
    record = Record().say("asked").sign("1").send("1").answer().sign("2").send("2").answer()
    return record.say("returned", text=TRUTH.truth).pay("2")


def two_spellings() -> Record:
    record = Record().say("asked").sign("1").send("1").lose().send("1", header="other").answer()
    return record.say("returned", text=TRUTH.truth).pay("1")


def two_nodes() -> Record:
    record = Record().say("asked").sign("1").send("1").lose().send("1", node="b").answer()
    return record.say("returned", text=TRUTH.truth).pay("1")


def three_copies() -> Record:
    record = Record().say("asked").sign("1").send("1").lose().send("1").lose().send("1").lose()
    record.send("1").answer()
    return record.say("returned", text=TRUTH.truth).pay("1")


def not_written_down() -> Record:
    record = good()
    return replace(record, journal=[], charged=0, counted=0, settled={})


def not_of_the_wallet() -> Record:
    return replace(good(), verified=["1", "stranger"])


def charged_more_than_written() -> Record:
    return replace(good(), charged=COST + 1, counted=COST + 1)


def charged_less_than_served() -> Record:
    return replace(good(), owed=COST + 1)


def still_open() -> Record:
    record = replace(good(), charged=0, counted=0, settled={})
    return replace(record, journal=[Journalled("1", CAP, "open", 0)])


def still_reserved() -> Record:
    return replace(good(), exposed=CAP)


def counted_wrongly() -> Record:
    return replace(good(), counted=COST - 1)


def over_budget_at_a_signature() -> Record:
    record = Record(charged=0, counted=0).say("asked")
    for nonce in range(CELL.plan.caps + 1):
        record.sign(str(nonce)).send(str(nonce), node=str(nonce)).answer(402)
    return record.say("raised", error="PaymentRejectedError")


def over_budget_in_the_store() -> Record:
    return replace(good(), exposures=[CELL.plan.total + 1])


def another_answer_to_the_same_key() -> Record:
    record = good().say("asked")
    return record.say("raised", error="PaymentOutcomeUnknownError")


def sent_again_though_answered() -> Record:
    return good().say("asked").send("1").answer().say("returned", text=TRUTH.truth)


def delivered_and_never_handed_over() -> Record:
    record = Record().say("asked").sign("1").send("1").lose()
    return record.say("raised", error="PaymentOutcomeUnknownError").pay("1")


def told_that_nothing_is_spent() -> Record:
    record = Record().say("asked").sign("1").send("1").lose().send("1").lose()
    return record.say("raised", error="BudgetExceededError", spent="NO").pay("1")


def not_what_the_node_said() -> Record:
    record = Record().say("asked").sign("1").send("1").answer()
    return record.say("returned", text="something else").pay("1")


BROKEN = {
    too_many_open: "few open",
    signed_after_a_loss: "no second authorization",
    signed_after_a_death: "no second authorization",
    signed_after_an_answer: "no second authorization",
    two_spellings: "byte for byte to the same node",
    two_nodes: "byte for byte to the same node",
    three_copies: "sent again once",
    not_written_down: "written down first",
    not_of_the_wallet: "written down first",
    charged_more_than_written: "charged as written, to the atom",
    charged_less_than_served: "charged as written, to the atom",
    still_open: "charged as written, to the atom",
    still_reserved: "charged as written, to the atom",
    counted_wrongly: "charged as written, to the atom",
    over_budget_at_a_signature: "within the budget",
    over_budget_in_the_store: "within the budget",
    another_answer_to_the_same_key: "no reply lost",
    sent_again_though_answered: "no reply lost",
    delivered_and_never_handed_over: "no reply lost",
    told_that_nothing_is_spent: "no reply lost",
    not_what_the_node_said: "no false reply",
}


@pytest.mark.parametrize("record", BROKEN)
def test_a_broken_rule_is_seen_and_no_other(record: Callable[[], Record]) -> None:
    assert record().broken() == {BROKEN[record]}


def test_every_rule_is_broken_once() -> None:
    assert set(BROKEN.values()) == set(RULES)


def test_a_call_that_a_liar_answered_may_be_paid_elsewhere() -> None:
    record = signed_after_an_answer()
    record.cell = replace(CELL, fault="wrong-proof")
    assert record.broken() == set()
