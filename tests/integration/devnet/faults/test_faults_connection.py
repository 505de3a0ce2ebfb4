"""Faults of the connection, seen by a client that does nothing about them."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.faults import inject

from .raw import CHAT, Payer

HOWS = pytest.mark.parametrize("how", ["first", "session"])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
BROKEN = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


@HOWS
@STREAMED
async def test_without_a_fault_the_answer_comes(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    payment = await payer.paid(how)
    calls = payer.calls
    async with inject(net, "none") as struck:
        reply = await payer.post(payment, stream=stream)
    assert struck.hits == 1
    assert reply.status == 200
    assert "tee_signature" in reply.answer
    assert payer.calls == calls + 1


@HOWS
@STREAMED
async def test_accept_then_time_out_works_bills_and_says_nothing(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    payment = await payer.paid(how)
    calls = payer.calls
    async with inject(net, "accept-then-time-out") as struck:
        with pytest.raises(TimeoutError):
            await payer.post(payment, stream=stream, timeout=0.5)
        assert struck.hits == 1
        assert payer.calls == calls + 1
        assert (await payer.post(payment)).status == 200, "the node is honest again"


async def test_leaving_lets_go_of_whoever_waits(net: Devnet, payer: Payer) -> None:
    payment = await payer.open()
    calls = payer.calls
    async with inject(net, "accept-then-time-out"):
        waiting = asyncio.create_task(payer.post(payment))
        while payer.calls == calls:  # noqa: ASYNC110 - the node has no event for it
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
    with pytest.raises(BROKEN):
        await waiting


@HOWS
@STREAMED
async def test_drop_before_work_opens_the_session_and_bills_nothing(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    payment = await payer.paid(how)
    calls = payer.calls
    async with inject(net, "drop-before-work") as struck:
        with pytest.raises(BROKEN):
            await payer.post(payment, stream=stream)
    assert struck.hits == 1
    assert (len(payer.sessions), payer.calls) == (1, calls)


async def test_a_refused_connection_is_refused_before_anything_is_sent(
    net: Devnet, payer: Payer
) -> None:
    payment = await payer.open()
    asked = payer.node.requests[CHAT]
    async with inject(net, "refuse-connection", times=2) as struck:
        for _ in range(2):
            with pytest.raises(aiohttp.ClientConnectorError):
                await payer.post(payment)
        assert struck.hits == 2
        assert payer.node.requests[CHAT] == asked
        assert (await payer.post(payment)).status == 200


async def test_after_a_challenge_the_payment_finds_no_way_in(net: Devnet, payer: Payer) -> None:
    async with inject(net, "refuse-after-challenge") as struck:
        payment = await payer.pay()
        assert struck.hits == 0
        with pytest.raises(aiohttp.ClientConnectorError):
            await payer.post(payment)
        assert struck.hits == 1
        assert payer.sessions == []
        assert (await payer.post(payment)).status == 200


@HOWS
@STREAMED
async def test_a_request_is_cut_at_every_offset(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    first = await payer.paid(how)
    whole = payer.request(first, stream=stream)
    head = whole.index(b"\r\n\r\n") + 4
    calls, step = payer.calls, 1 if how == "session" and not stream else 53
    for offset in sorted({*range(0, len(whole), step), head - 1, head, len(whole) - 1}):
        asked = payer.node.requests[CHAT]
        async with inject(net, "cut-request", seed=offset) as struck:
            assert await payer.exchange(whole) == b""
        assert struck.hits == 1
        assert payer.node.requests[CHAT] == asked + (offset >= head), offset
    assert payer.calls == calls
    async with inject(net, "cut-request", seed=len(whole)):
        assert await payer.exchange(whole) == b"", "offsets are counted round and round"


@HOWS
@STREAMED
async def test_an_answer_is_cut_at_every_offset(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    payment = await payer.paid(how)
    request = payer.request(payment, stream=stream)
    offsets = [*range(0, 20), 111, 222, 333, 444, 555]
    for offset in offsets:
        calls = payer.calls
        async with inject(net, "cut-response", seed=offset) as struck:
            answer = await payer.exchange(request)
        assert (struck.hits, len(answer)) == (1, offset)
        assert b"HTTP/1.1 200 OK\r\n".startswith(answer[:17])
        assert payer.calls == calls + 1


async def test_the_last_byte_of_an_answer_can_be_missing(net: Devnet, payer: Payer) -> None:
    request = payer.request(await payer.open())
    closing = request.replace(b"Host:", b"Connection: close\r\nHost:")
    whole = await payer.exchange(closing)
    async with inject(net, "cut-response", seed=len(whole) - 1):
        cut = await payer.exchange(closing)
    assert len(cut) == len(whole) - 1
    assert cut.startswith(b"HTTP/1.1 200 OK")


@HOWS
@pytest.mark.parametrize("seed", range(8))
async def test_a_stream_is_cut_between_frames_or_inside_one(
    net: Devnet, payer: Payer, how: str, seed: int
) -> None:
    request = payer.request(await payer.paid(how), stream=True)
    calls = payer.calls
    async with inject(net, "cut-stream", seed=seed) as struck:
        answer = await payer.exchange(request)
    assert struck.hits == 1
    assert payer.calls == calls + 1
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\n\n\r\n") is (seed % 2 == 0)
    assert not answer.endswith(b"0\r\n\r\n")


async def test_an_answer_in_one_piece_is_cut_inside_its_body(net: Devnet, payer: Payer) -> None:
    payment = await payer.open()
    async with inject(net, "cut-stream", seed=4):
        with pytest.raises(BROKEN):
            await payer.post(payment)


@HOWS
@STREAMED
async def test_a_slow_answer_is_a_right_one(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    payment = await payer.paid(how)
    async with inject(net, "slow-answer") as struck:
        reply = await payer.post(payment, stream=stream)
    assert struck.hits == 1
    assert (reply.status, "tee_signature" in reply.answer) == (200, True)


@HOWS
@STREAMED
async def test_an_answer_comes_twice(net: Devnet, payer: Payer, how: str, stream: bool) -> None:
    payment = await payer.paid(how)
    calls = payer.calls
    request = payer.request(payment, stream=stream)
    closing = request.replace(b"Host:", b"Connection: close\r\nHost:")
    async with inject(net, "answer-twice") as struck:
        answer = await payer.exchange(closing)
    assert struck.hits == 1
    half = len(answer) // 2
    assert answer[:half] == answer[half:]
    assert payer.calls == calls + 1


async def test_only_the_chosen_node_and_as_many_requests_as_told_are_struck(
    net: Devnet, payer: Payer
) -> None:
    payment = await payer.open()
    async with inject(net, "challenge-after-payment", node=1) as elsewhere:
        assert (await payer.post(payment)).status == 200
    async with inject(net, "challenge-after-payment", times=2) as struck:
        statuses = [(await payer.post(payment)).status for _ in range(3)]
    assert statuses == [402, 402, 200]
    assert (elsewhere.hits, struck.hits) == (0, 2)


async def test_two_faults_strike_one_after_the_other(net: Devnet, payer: Payer) -> None:
    payment = await payer.open()
    async with inject(net, "error-5xx") as first, inject(net, "bare-402-after-payment") as second:
        statuses = [(await payer.post(payment)).status for _ in range(3)]
    assert statuses == [500, 402, 200]
    assert (first.hits, second.hits) == (1, 1)
