"""The node software of April 2026: another registry layout, another canonical form."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from opengradient_sdk import Assurance, Devnet

from .kit import Customer, CustomerFactory
from .test_calls import WEATHER, WITH_PICTURE


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(registry="april", accounts=1) as network:
        yield network


@pytest.fixture
async def buyer(customer: CustomerFactory) -> Customer:
    return await customer()


async def test_an_answer(buyer: Customer) -> None:
    assert (await buyer.ask()).receipt.assurance is Assurance.REGISTERED


async def test_a_completion(buyer: Customer) -> None:
    reply = await buyer.client.completions.create(model="gpt-5", prompt="Once")
    assert reply.receipt.assurance is Assurance.REGISTERED


async def test_a_stream(buyer: Customer) -> None:
    async with buyer.client.chat.stream(**buyer.question()) as stream:
        pieces = [piece async for piece in stream.text_stream]
        reply = await stream.get_final_reply()
    assert "".join(pieces) == reply.text
    assert reply.receipt.assurance is Assurance.REGISTERED


async def test_a_picture_is_hashed_whole_and_does_not_reach_the_model(buyer: Customer) -> None:
    reply = await buyer.ask(messages=WITH_PICTURE)
    assert reply.receipt.assurance is Assurance.REGISTERED
    assert not any("attachment" in part for part in reply.receipt.uncovered)
    assert "attachment" not in reply.text


async def test_a_search_is_ignored_and_said_to_be_unproven(buyer: Customer) -> None:
    reply = await buyer.ask(web_search=True)
    assert "web_search" in reply.receipt.uncovered


async def test_tools(buyer: Customer) -> None:
    reply = await buyer.ask(messages="call get_weather", tools=[WEATHER])
    assert [call.name for call in reply.tool_calls] == ["get_weather"]
    assert reply.receipt.assurance is Assurance.REGISTERED
