"""Every fault does what its name says, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from cryptography.exceptions import InvalidSignature

from opengradient_sdk.types import keccak256
from opengradient_sdk.verification.canonical import Mode, canonical_chat_request

from .conftest import CHAT, HELLO, OPTION, Scene, payment
from .test_node_answers import said, verify

_TEXT = "[devnet/echo] You said: hi (built in: no real gpt-5 here)"


def _request_hash() -> str:
    return keccak256(canonical_chat_request(HELLO, Mode.JULY).encode()).hex()


async def test_an_honest_node_has_no_faults(july: Scene) -> None:
    reply = await july.customer.paid()

    assert reply.json["tee_request_hash"] == _request_hash()
    verify(july, reply.json, _TEXT)


async def test_wrong_request_hash_is_signed(july: Scene) -> None:
    july.node.faults.wrong_request_hash = True

    reply = await july.customer.paid()

    assert reply.json["tee_request_hash"] != _request_hash()
    verify(july, reply.json, _TEXT)


async def test_wrong_output_hash_is_signed(july: Scene) -> None:
    july.node.faults.wrong_output_hash = True

    reply = await july.customer.paid()

    verify(july, reply.json, _TEXT + "?")
    assert reply.json["choices"][0]["message"]["content"] == _TEXT


async def test_wrong_signature_differs_in_one_bit(july: Scene) -> None:
    july.node.faults.wrong_signature = True

    reply = await july.customer.paid()

    with pytest.raises(InvalidSignature):
        verify(july, reply.json, _TEXT)


async def test_wrong_salt_is_twenty_bytes(july: Scene) -> None:
    july.node.faults.wrong_salt = True

    reply = await july.customer.paid()

    with pytest.raises(InvalidSignature):
        verify(july, reply.json, _TEXT)
    verify(july, reply.json, _TEXT, salt=20)


async def test_wrong_tee_id_names_another_enclave(july: Scene) -> None:
    july.node.faults.wrong_tee_id = True

    reply = await july.customer.paid()

    assert reply.json["tee_id"] != str(july.node.tee_id)
    verify(july, {**reply.json, "tee_id": str(july.node.tee_id)}, _TEXT)


@pytest.mark.parametrize("stream", [False, True])
async def test_unsigned_has_no_tee_members(july: Scene, stream: bool) -> None:
    july.node.faults.unsigned = True

    reply = await july.customer.paid(said("hi", stream=stream))

    body = reply.frames[-1] if stream else reply.json
    assert not [name for name in body if name.startswith("tee_")]
    await july.node.tick()
    assert not july.facilitator.named("/settle_data")


async def test_second_choice_is_a_second_choice(july: Scene) -> None:
    july.node.faults.second_choice = True

    reply = await july.customer.paid()

    assert [choice["index"] for choice in reply.json["choices"]] == [0, 1]


async def test_garbage_body_is_no_json(july: Scene) -> None:
    july.node.faults.garbage_body = True

    reply = await july.customer.paid()

    assert reply.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.text)


@pytest.mark.parametrize(("fault", "billed"), [("drop_before_work", 0), ("drop_after_work", 1)])
async def test_a_dropped_connection_is_billed_if_the_work_was_done(
    july: Scene, fault: str, billed: int
) -> None:
    setattr(july.node.faults, fault, True)

    with pytest.raises(aiohttp.ClientConnectionError):
        await july.customer.paid()

    assert july.node.sessions[0].billed == billed


async def test_cut_stream_ends_before_the_final_frame(july: Scene) -> None:
    july.node.faults.cut_stream = True

    with pytest.raises(aiohttp.ClientError):
        await july.customer.paid(said("hi", stream=True))

    assert july.node.sessions[0].billed == 0


async def test_error_event_in_stream_takes_the_place_of_the_final_frame(july: Scene) -> None:
    july.node.faults.error_event_in_stream = True

    reply = await july.customer.paid(said("hi", stream=True))

    assert reply.status == 200
    assert json.loads(reply.events[-1]) == {"error": "Stream processing failed"}


async def test_never_pay_asks_for_ever(july: Scene) -> None:
    july.node.faults.never_pay = True

    for _ in range(3):
        reply = await july.customer.paid()
        assert (reply.status, reply.challenge["error"]) == (402, "Payment required")
    assert july.node.sessions == ()


async def test_bare_402_is_given_as_often_as_told(july: Scene) -> None:
    july.node.faults.bare_402 = 2

    replies = [await july.customer.paid() for _ in range(3)]

    assert [reply.status for reply in replies] == [402, 402, 200]
    assert "PAYMENT-REQUIRED" not in replies[0].headers


def _asking(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(challenge: dict[str, Any]) -> dict[str, Any]:
        challenge["accepts"][0] |= changes
        return challenge

    return change


async def test_challenge_rewrites_what_is_asked_and_nothing_later(july: Scene) -> None:
    july.node.faults.challenge = _asking(amount=str(10**20))
    asked = await july.customer.post()
    july.node.faults.challenge = None
    again = await july.customer.post()

    assert asked.challenge["accepts"] == [{**OPTION, "amount": str(10**20)}]
    assert again.challenge["accepts"] == [OPTION]


async def test_challenge_header_is_sent_as_it_is(july: Scene) -> None:
    july.node.faults.challenge_header = "%%%not-base64%%%"

    reply = await july.customer.post()

    assert (reply.status, reply.headers["PAYMENT-REQUIRED"]) == (402, "%%%not-base64%%%")


async def test_price_unavailable_is_a_503(july: Scene) -> None:
    july.node.faults.price_unavailable = True

    assert (await july.customer.paid()).status == 503
    assert (await july.customer.get("/health")).json["price_feed"]["price_usd"] is None


async def test_status_takes_the_place_of_the_work(july: Scene) -> None:
    july.node.faults.status = 429

    reply = await july.customer.paid()

    assert reply.status == 429
    assert july.node.sessions[0].billed == 0


async def test_redirect_answers_everything(july: Scene) -> None:
    july.node.faults.redirect = "http://127.0.0.1:9/elsewhere"

    for reply in (await july.customer.get("/health"), await july.customer.paid()):
        assert (reply.status, reply.headers["Location"]) == (307, "http://127.0.0.1:9/elsewhere")


@pytest.mark.parametrize(("overcharge", "settled"), [(5, None), (10**18, int(OPTION["amount"]))])
async def test_overcharge_settles_more_than_was_served_up_to_the_cap(
    july: Scene, overcharge: int, settled: int | None
) -> None:
    july.node.faults.overcharge = overcharge
    await july.customer.post(pay=payment())
    cost = july.node.sessions[0].cost
    july.clock.advance(101)
    await july.node.tick()

    (call,) = july.facilitator.named("/settle")
    assert int(call.body["paymentRequirements"]["amount"]) == (settled or cost + 5)


async def test_an_unexpected_failure_is_a_problem_document(
    july: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_challenge: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("a test's own mistake")

    july.node.faults.challenge = broken

    reply = await july.customer.post()

    assert (reply.status, reply.json["title"]) == (500, "Internal Server Error")
    assert f"POST {CHAT} failed" in caplog.text
