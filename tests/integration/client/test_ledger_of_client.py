"""What a client writes down of an answer, and by what it judges it."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from opengradient_sdk import Assurance, Devnet
from opengradient_sdk.client import pipeline
from opengradient_sdk.errors import AssuranceError, ConfigurationError, LedgerError
from opengradient_sdk.verification import AllOf, Covered, Sample
from opengradient_sdk.verification.policy import CallFacts

from .kit import CustomerFactory


async def test_a_receipt_that_cannot_be_written_yet_is_whole(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    await one.client.receipts.list()
    with sqlite3.connect(place) as thief:
        thief.execute("ALTER TABLE ledger_entry RENAME TO gone")
    reply = await one.ask()
    with pytest.raises(LedgerError):
        await one.client.receipts.list()
    try:
        kept = await one.client.receipts.get(reply.receipt.id)
        assert kept.registered == reply.receipt.registered
    finally:
        with sqlite3.connect(place) as thief:
            thief.execute("ALTER TABLE gone RENAME TO ledger_entry")


@pytest.mark.parametrize(
    "parameters",
    [{"default": float("nan")}, {"a": 1, 2: 3}, {"default": float("inf")}],
    ids=["nan", "keys", "inf"],
)
async def test_what_no_record_can_hold_is_not_sent(
    customer: CustomerFactory, parameters: dict[Any, Any]
) -> None:
    one = await customer()
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    with pytest.raises(ConfigurationError, match="cannot be hashed"):
        await one.ask(tools=[tool])
    await one.assert_nothing_happened()


async def test_only_a_chain_that_was_asked_dates_a_receipt(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(trust=net.trust)
    receipt = (await one.ask()).receipt
    await net.advance(seconds=50)
    proven = await one.client.receipts.wait(receipt, assurance=Assurance.ATTESTED)
    assert proven.as_of == receipt.as_of


async def test_an_answer_is_judged_by_the_draw_that_its_node_was_chosen_by(
    customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Sample(0.5, then=AllOf(Assurance.REGISTERED, Covered()))
    one = await customer(require=policy)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    asked = {"tools": [tool], "tool_choice": "auto"}  # no proof covers the choice
    draws = {policy.takes(CallFacts(None, n / 64)): n / 64 for n in range(64)}
    assert len(draws) == 2

    with monkeypatch.context() as drawn:
        drawn.setattr(pipeline, "facts_of", lambda _, estimate: CallFacts(estimate, draws[True]))
        with pytest.raises(AssuranceError, match="tool_choice"):
            await one.ask(**asked)
    with monkeypatch.context() as not_drawn:
        not_drawn.setattr(
            pipeline, "facts_of", lambda _, estimate: CallFacts(estimate, draws[False])
        )
        await one.ask(**asked)
