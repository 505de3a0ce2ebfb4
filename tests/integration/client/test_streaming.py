"""Streams: provisional text while it arrives, a verified reply at the end."""

from __future__ import annotations

import asyncio
import json

import pytest

from opengradient_sdk import Assurance, CheckStatus, Devnet
from opengradient_sdk.errors import ConfigurationError, StreamInterruptedError

from .kit import Customer, CustomerFactory
from .test_calls import WEATHER


@pytest.fixture
async def buyer(customer: CustomerFactory) -> Customer:
    return await customer()


async def test_pieces_come_first_and_the_proof_last(buyer: Customer) -> None:
    async with buyer.client.chat.stream(**buyer.question(messages="tell me")) as stream:
        pieces = [piece async for piece in stream.text_stream]
        assert await buyer.client.receipts.list() == ()
        reply = await stream.get_final_reply()
    assert len(pieces) > 3
    assert "".join(pieces) == reply.text
    assert reply.receipt.assurance is Assurance.REGISTERED
    assert reply.receipt.cost is not None
    assert reply.receipt.cost.atoms == buyer.served
    assert await buyer.client.receipts.list() == (reply.receipt,)


async def test_the_final_reply_does_not_need_the_pieces(buyer: Customer) -> None:
    async with buyer.client.chat.stream(**buyer.question()) as stream:
        reply = await stream.get_final_reply()
        assert await stream.get_final_reply() is reply
    plain = await buyer.ask()
    assert reply.text == plain.text
    assert reply.usage == plain.usage


async def test_half_of_the_pieces_are_enough(buyer: Customer) -> None:
    async with buyer.client.chat.stream(**buyer.question(messages="one two three")) as stream:
        first = await anext(stream.text_stream)
        reply = await stream.get_final_reply()
    assert reply.text.startswith(first)


async def test_streamed_and_whole_answers_share_a_session(buyer: Customer) -> None:
    async with buyer.client.chat.stream(**buyer.question()) as stream:
        streamed = await stream.get_final_reply()
    whole = await buyer.ask()
    assert streamed.receipt.authorization.nonce == whole.receipt.authorization.nonce
    await buyer.assert_exposed(1)


async def test_tool_calls_are_put_together(buyer: Customer) -> None:
    question = buyer.question(messages="call get_weather", tools=[WEATHER])
    async with buyer.client.chat.stream(**question) as stream:
        assert [piece async for piece in stream.text_stream] == []
        streamed = await stream.get_final_reply()
    whole = await buyer.ask(messages="call get_weather", tools=[WEATHER])
    ((piecewise,), (at_once,)) = streamed.tool_calls, whole.tool_calls
    assert (piecewise.id, piecewise.name) == (at_once.id, at_once.name)
    # as each was received and signed: a node may spell the two differently
    assert json.loads(piecewise.arguments) == json.loads(at_once.arguments)
    assert streamed.finish_reason == "tool_calls"
    assert streamed.receipt.assurance is Assurance.REGISTERED


async def test_many_streams_at_once(buyer: Customer) -> None:
    async def one(number: int) -> str:
        question = buyer.question(messages=f"number {number}")
        async with buyer.client.chat.stream(**question) as stream:
            return (await stream.get_final_reply()).text

    texts = await asyncio.gather(*(one(number) for number in range(20)))
    assert [f"number {n} " in text for n, text in enumerate(texts)] == [True] * 20
    await buyer.assert_exposed(1)


async def test_the_charge_of_streams_is_the_sum_of_their_costs(
    buyer: Customer, net: Devnet
) -> None:
    async with buyer.client.chat.stream(**buyer.question()) as stream:
        reply = await stream.get_final_reply()
    await net.advance(130)
    receipt = await buyer.client.receipts.refresh(reply.receipt)
    check = receipt.evidence.get("charge")
    assert check is not None
    assert check.status is CheckStatus.PASSED


async def test_an_abandoned_stream_may_be_billed_and_is_counted_so(
    buyer: Customer, net: Devnet
) -> None:
    async with buyer.client.chat.stream(**buyer.question(messages="one two three")) as stream:
        await anext(stream.text_stream)
    reply = await buyer.ask()
    assert reply.receipt.authorization.unpriced == 1
    await net.advance(130)
    receipt = await buyer.client.receipts.refresh(reply.receipt)
    check = receipt.evidence.get("charge")
    assert check is not None
    assert check.status is CheckStatus.NOT_CHECKED


async def test_a_model_that_fails_midway_leaves_partial_text(buyer: Customer) -> None:
    question = buyer.question(messages="fail midway please now")
    async with buyer.client.chat.stream(**question) as stream:
        with pytest.raises(StreamInterruptedError) as error:
            await stream.get_final_reply()
    assert error.value.partial_text
    await buyer.assert_exposed(1)
    await buyer.ask()


async def test_a_stream_is_used_once_and_only_while_it_is_open(buyer: Customer) -> None:
    stream = buyer.client.chat.stream(**buyer.question())
    with pytest.raises(ConfigurationError, match="not open"):
        _ = stream.text_stream
    await buyer.assert_nothing_happened()
    async with stream:
        await stream.get_final_reply()
    with pytest.raises(ConfigurationError, match="not open"):
        _ = stream.text_stream
    with pytest.raises(ConfigurationError, match="used once"):
        async with stream:
            pass


async def test_a_cancelled_reader_leaves_a_client_that_works(buyer: Customer) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        question = buyer.question(messages="one two three four")
        async with buyer.client.chat.stream(**question) as stream:
            async for _ in stream.text_stream:
                begun.set()
                await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [life.in_flight for life in buyer.lives] == [0]
    await buyer.ask()
