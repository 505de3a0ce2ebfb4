"""Receipts are found by the model's name as it was asked for."""

from __future__ import annotations

import pytest

from .kit import CustomerFactory


@pytest.mark.parametrize("name", ["openai/gpt-5", "gpt-5"])
async def test_a_model_is_found_with_and_without_its_provider(
    customer: CustomerFactory, name: str
) -> None:
    buyer = await customer()
    receipt = (await buyer.ask(model=name)).receipt
    await buyer.ask(model="openai/gpt-5-mini")
    for wanted in ("openai/gpt-5", "gpt-5"):
        (found,) = await buyer.client.receipts.list(model=wanted)
        assert found.id == receipt.id
    assert await buyer.client.receipts.list(model="openai/gpt-4") == ()
