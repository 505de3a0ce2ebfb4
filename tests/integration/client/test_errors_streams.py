"""Streams that break off, fail, lie, or are left alone: their text is never returned as proven."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk import Assurance, Devnet
from opengradient_sdk._core import sse
from opengradient_sdk.client.events import RequestResent
from opengradient_sdk.errors import (
    BadRequestError,
    ConfigurationError,
    OpenGradientError,
    OutputHashError,
    PaymentOutcomeUnknownError,
    PaymentRejectedError,
    RequestHashError,
    ServerError,
    SignatureError,
    Spent,
    StreamInterruptedError,
    VerificationError,
)

from .kit import CAP, CHAT, Customer, CustomerFactory, refused
from .scripted_node import Handler, ScriptedNode, scripted_node

_TEXT = "[devnet/echo] You said: hi (built in: no real gpt-5 here)"


@pytest.mark.parametrize(
    ("fault", "words"),
    [("cut_stream", "broke off"), ("error_event_in_stream", "reported an error")],
)
async def test_a_stream_without_its_final_frame_is_not_an_answer(
    net: Devnet, customer: CustomerFactory, fault: str, words: str
) -> None:
    one = await customer()
    setattr(net.nodes[0].faults, fault, True)

    with refused(
        StreamInterruptedError,
        words,
        spent=Spent.MAYBE,
        hint="error.partial_text",
        secrets=lambda: one.secrets,
    ) as caught:
        await _whole(one)

    assert caught.error.partial_text == _TEXT
    assert caught.error.amount.atoms == CAP
    await one.assert_exposed(caps=1)
    assert one.lives[0].calls == one.lives[0].unpriced == 1
    assert one.served == 0

    setattr(net.nodes[0].faults, fault, False)
    assert await _whole(one) == _TEXT
    await one.assert_exposed(caps=1)


async def test_a_model_that_fails_midway_interrupts_the_stream(customer: CustomerFactory) -> None:
    one = await customer()

    with refused(
        StreamInterruptedError, "reported an error", spent=Spent.MAYBE, hint="proven by nothing"
    ) as caught:
        await _whole(one, messages="fail midway")

    assert 0 < len(caught.error.partial_text) < len(_TEXT)
    await one.assert_exposed(caps=1)


_LIES = {
    "wrong_request_hash": RequestHashError,
    "wrong_output_hash": OutputHashError,
    "wrong_signature": SignatureError,
    "wrong_salt": SignatureError,
    "wrong_tee_id": VerificationError,
}


@pytest.mark.parametrize("lie", _LIES)
async def test_a_stream_that_ends_with_a_lie_is_refused_with_its_receipt(
    net: Devnet, customer: CustomerFactory, lie: str
) -> None:
    one = await customer()
    setattr(net.nodes[0].faults, lie, True)

    with refused(_LIES[lie], spent=Spent.YES, hint="answer", secrets=lambda: one.secrets) as caught:
        await _whole(one)

    receipt = await one.client.receipts.get(caught.error.receipt_id)
    assert receipt.assurance is Assurance.UNVERIFIED
    assert receipt.cost is not None
    assert one.served == receipt.cost.atoms
    await one.assert_exposed(caps=1)


async def test_an_unsigned_stream_is_interrupted_before_its_end(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.unsigned = True

    with refused(
        StreamInterruptedError,
        "without its signed final frame",
        spent=Spent.MAYBE,
        hint="partial_text",
    ):
        await _whole(one)

    await one.assert_exposed(caps=1)


async def test_a_stream_that_is_left_alone_counts_as_a_call_of_unknown_cost(
    customer: CustomerFactory,
) -> None:
    one = await customer()

    async with one.client.chat.stream(**one.question()) as stream:
        assert await anext(stream.text_stream)

    life = one.lives[0]
    assert (life.calls, life.unpriced, life.in_flight) == (1, 1, 0)
    assert (await one.ask()).receipt.authorization.unpriced == 1
    await one.assert_exposed(caps=1)


async def test_a_stream_that_is_cancelled_counts_as_a_call_of_unknown_cost(
    customer: CustomerFactory,
) -> None:
    one = await customer()
    begun = asyncio.Event()

    async def read() -> None:
        async with one.client.chat.stream(**one.question()) as stream:
            begun.set()
            async for _ in stream.text_stream:
                await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    life = one.lives[0]
    assert (life.calls, life.unpriced, life.in_flight) == (1, 1, 0)
    assert (await one.ask()).text
    await one.assert_exposed(caps=1)


async def test_a_stream_is_used_once_and_inside_its_block(customer: CustomerFactory) -> None:
    one = await customer()
    stream = one.client.chat.stream(**one.question())
    with refused(ConfigurationError, "not open", hint="async with"):
        await stream.get_final_reply()
    async with stream:
        reply = await stream.get_final_reply()
        assert await stream.get_final_reply() is reply
    with refused(ConfigurationError, "used once", hint="again"):
        async with stream:
            pass
    await one.assert_exposed(caps=1)


async def test_a_stream_of_the_wrong_kind_is_refused_when_it_is_asked_for(
    customer: CustomerFactory,
) -> None:
    one = await customer()

    with refused(ConfigurationError, "max_tokens", hint=""):
        one.client.chat.stream(**one.question(max_tokens="many"))

    await one.assert_nothing_happened()


@pytest.mark.parametrize(
    ("question", "kind", "words"),
    [
        ({"model": "gpt-99"}, BadRequestError, "not supported"),
        ({"messages": "please fail"}, ServerError, "500"),
    ],
)
async def test_a_stream_that_does_not_begin_costs_nothing(
    customer: CustomerFactory, question: dict[str, Any], kind: Any, words: str
) -> None:
    one = await customer()

    with refused(kind, words, hint="", secrets=lambda: one.secrets) as caught:
        await _whole(one, **question)

    assert caught.error.hint
    assert one.served == 0
    assert one.lives[0].in_flight == 0
    assert await _whole(one) == _TEXT
    await one.assert_exposed(caps=1)


async def test_a_stream_whose_payment_is_refused_twice_gives_up(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.never_pay = True

    with refused(
        PaymentRejectedError, "Payment required", spent=Spent.MAYBE, hint="", secrets=lambda: []
    ):
        await _whole(one)

    await one.assert_exposed(caps=2)


async def test_a_stream_that_is_cut_before_its_head_is_sent_again_once(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.drop_before_work = True
    before = net.nodes[0].requests[CHAT]

    with refused(
        PaymentOutcomeUnknownError,
        "connection broke",
        spent=Spent.MAYBE,
        hint="No second payment",
        secrets=lambda: one.secrets,
    ):
        await _whole(one)

    assert net.nodes[0].requests[CHAT] - before == 3  # the challenge, and the payment twice
    assert len(one.events_of(RequestResent)) == 1
    await one.assert_exposed(caps=1)


@pytest.fixture(scope="module")
async def scripted(net: Devnet) -> AsyncIterator[ScriptedNode]:
    """A node that streams what it is told."""
    async with scripted_node(net) as node:
        yield node


def _streaming(*events: str) -> Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(event.encode())
        return response

    return answer


def _frame(**delta: Any) -> str:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n"


_NONSENSE: dict[str, tuple[str, type[OpenGradientError], str]] = {
    "two choices": ('data: {"choices": [{}, {}]}\n\n', VerificationError, "other than the first"),
    "the second choice": (
        'data: {"choices": [{"index": 1, "delta": {"content": "psst"}}]}\n\n',
        VerificationError,
        "other than the first",
    ),
    "a call that is no object": (_frame(tool_calls=["run"]), VerificationError, "not an object"),
    "content that is no text": (_frame(content=7), VerificationError, "neither text"),
    "an error without words": ('data: {"error": {}}\n\n', StreamInterruptedError, "an error"),
    "no frame": ("data: hello\n\ndata: [1]\n\n", StreamInterruptedError, "final frame"),
    "nothing": ("", StreamInterruptedError, "final frame"),
    "an end and no signature": ("data: [DONE]\n\n", StreamInterruptedError, "final frame"),
    "a line without end": ("data: " + "x" * 5000, StreamInterruptedError, "makes no sense"),
}


@pytest.mark.parametrize("kind", _NONSENSE)
async def test_a_stream_of_nonsense_is_refused_and_may_have_been_billed(
    customer: CustomerFactory, scripted: ScriptedNode, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "_LARGEST", 4096)
    event, error, words = _NONSENSE[kind]
    scripted.answer = scripted.once_paid(_streaming(_frame(content="begun"), event))
    one = await customer()

    with refused(error, words, spent=Spent.MAYBE, hint="", secrets=lambda: one.secrets) as caught:
        await _whole(one, node=scripted.endpoint)

    assert caught.error.hint
    assert caught.error.amount.atoms == CAP
    assert getattr(caught.error, "partial_text", "") in ("begun", "")
    assert (one.lives[0].calls, one.lives[0].in_flight) == (1, 0)
    await one.assert_exposed(caps=1)


async def test_calls_of_a_stream_that_it_did_not_finish_for_are_refused(
    customer: CustomerFactory, scripted: ScriptedNode
) -> None:
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "tee_signature": "AA=="}
    final = f"data: {json.dumps(end)}\n\n"
    scripted.answer = scripted.once_paid(_streaming(_frame(tool_calls=[call]), final))
    one = await customer()

    with refused(VerificationError, "tool calls", spent=Spent.YES, hint="do not use") as caught:
        await _whole(one, node=scripted.endpoint)

    assert (await one.client.receipts.get(caught.error.receipt_id)).explain()
    await one.assert_exposed(caps=1)


async def _whole(one: Customer, **changes: Any) -> str:
    async with one.client.chat.stream(**one.question(**changes)) as stream:
        return (await stream.get_final_reply()).text
