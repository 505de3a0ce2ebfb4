"""The payment layer: challenges, refusals, and which session a request is served on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from opengradient_sdk.devnet.node import SessionState

from .conftest import CHAT, COMPLETIONS, OPTION, Scene, payment, scene

_BARE = {"error": "Session expired or exhausted"}


def assert_bare(reply: Any) -> None:
    """Check for the second form of 402, which carries no challenge."""
    assert (reply.status, reply.json) == (402, _BARE)
    assert "PAYMENT-REQUIRED" not in reply.headers


async def test_the_facilitators_address_is_asked_for_once(july: Scene) -> None:
    replies = await asyncio.gather(*(july.customer.post() for _ in range(5)))

    assert {reply.challenge["accepts"][0]["extra"]["facilitatorAddress"] for reply in replies} == {
        OPTION["extra"]["facilitatorAddress"]
    }
    assert len(july.facilitator.named("/supported")) == 1


async def test_a_browser_gets_a_page_and_no_challenge(july: Scene) -> None:
    browser = {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}

    reply = await july.customer.post(**browser)

    assert reply.status == 402
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "PAYMENT-REQUIRED" not in reply.headers


@pytest.mark.parametrize("path", ["/V1/Chat/Completions", CHAT + "/"])
async def test_a_lax_path_is_paid_for_and_not_found(july: Scene, path: str) -> None:
    unpaid = await july.customer.post(path=path)
    paid = await july.customer.paid(path=path)

    assert unpaid.status == 402
    assert (paid.status, paid.json["title"]) == (404, "Not Found")
    assert (await july.customer.post(session=paid.session)).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"asset": OPTION["asset"].lower()},
        {"amount": "1"},
        {"amount": 10**17},
        {"payTo": "0x" + "11" * 20},
        {"network": "eip155:1"},
        {"scheme": "exact"},
    ],
)
async def test_another_offer_than_the_nodes_is_not_accepted(
    july: Scene, change: dict[str, Any]
) -> None:
    reply = await july.customer.post(pay=payment(accepted={**OPTION, **change}))

    assert reply.status == 402
    assert reply.challenge["error"] == "No matching payment requirements"
    assert not july.facilitator.named("/verify")


async def test_members_that_are_not_compared_may_differ(july: Scene) -> None:
    accepted = {**OPTION, "maxTimeoutSeconds": 1, "extra": {}}

    assert (await july.customer.post(pay=payment(accepted=accepted))).status == 200


@pytest.mark.parametrize("version", [1, "2", None])
async def test_a_payment_of_another_version_counts_as_none(july: Scene, version: Any) -> None:
    reply = await july.customer.post(pay=payment(x402Version=version))

    assert reply.challenge["error"] == "Payment required"


async def test_a_payment_that_the_facilitator_refuses_is_told_why(july: Scene) -> None:
    july.facilitator.refusal = "permit2_allowance_required"

    reply = await july.customer.paid()

    assert reply.status == 402
    assert reply.challenge["error"] == "permit2_allowance_required"
    assert july.node.sessions == ()


@pytest.mark.parametrize("payload", [{}, {"authorization": {}}, {"permit2Authorization": {}}])
async def test_a_payment_without_a_permit_opens_no_session(
    july: Scene, payload: dict[str, Any]
) -> None:
    reply = await july.customer.post(pay=payment(payload=payload))

    assert reply.challenge["error"] == "unsupported_payload_type"
    assert july.node.sessions == ()


async def test_a_facilitator_that_talks_nonsense_makes_a_502(july: Scene) -> None:
    july.facilitator.broken_json = True
    unpaid = await july.customer.post()
    july.facilitator.broken_json = False
    await july.customer.post()
    july.facilitator.broken_json = True
    paid = await july.customer.paid()

    assert unpaid.status == paid.status == 502
    assert unpaid.json["error"].startswith("Facilitator error: /supported")
    assert paid.json["error"].startswith("Facilitator error: /verify")


async def test_a_payment_that_the_facilitator_cannot_read_is_refused(july: Scene) -> None:
    july.facilitator.calls_payments_malformed = True

    reply = await july.customer.paid()

    assert reply.status == 402
    assert "Missing paymentPayload" in reply.challenge["error"]


async def test_a_session_saves_the_payment(july: Scene) -> None:
    first = await july.customer.paid()
    second = await july.customer.post(session=first.session)

    assert (first.status, second.status) == (200, 200)
    assert second.session == first.session
    assert len(july.facilitator.named("/verify")) == 1
    assert july.node.sessions[0].billed == 2


async def test_concurrent_requests_with_one_header_share_one_session_and_one_check(
    july: Scene,
) -> None:
    pay = payment()

    replies = await asyncio.gather(*(july.customer.post(pay=pay) for _ in range(20)))

    assert {reply.status for reply in replies} == {200}
    assert len({reply.session for reply in replies}) == 1
    assert len(july.node.sessions) == 1
    assert len(july.facilitator.named("/verify")) < 20


async def test_two_spellings_of_one_permit_share_one_session(july: Scene) -> None:
    one = await july.customer.post(pay=payment(7))
    other = await july.customer.post(pay=payment(7, indent=2))

    assert other.status == 200
    assert other.session == one.session
    assert len(july.node.sessions) == 1


async def test_a_payment_seen_before_is_verified_again(july: Scene) -> None:
    pay = payment()
    await july.customer.post(pay=pay)
    july.facilitator.refusal = "permit2_deadline_expired"

    reply = await july.customer.post(pay=pay)

    assert reply.challenge["error"] == "permit2_deadline_expired"


async def test_the_session_wins_over_a_payment_beside_it(july: Scene) -> None:
    first = await july.customer.paid()
    reply = await july.customer.post(session=first.session, pay=payment())

    assert reply.session == first.session
    assert len(july.node.sessions) == 1


async def test_a_session_serves_its_own_route_only(july: Scene) -> None:
    pay = payment()
    first = await july.customer.post(pay=pay)
    body = {"model": "gpt-5", "prompt": "x"}

    assert_bare(await july.customer.post(body, path=COMPLETIONS, session=first.session))
    assert_bare(await july.customer.post(body, path=COMPLETIONS, pay=pay))


async def test_an_unknown_session_is_a_bare_402(july: Scene) -> None:
    assert_bare(await july.customer.post(session="00000000-0000-0000-0000-000000000000"))


async def test_a_session_that_is_settled_is_a_bare_402(july: Scene) -> None:
    first = await july.customer.paid()
    july.clock.advance(101)
    await july.node.tick()

    assert july.node.sessions[0].state is SessionState.SETTLED
    assert_bare(await july.customer.post(session=first.session))


async def test_what_does_not_fit_under_the_cap_is_served_for_nothing() -> None:
    async with scene(session_cap=10**15) as it:
        accepted = {**OPTION, "amount": str(10**15)}
        first = await it.customer.post(pay=payment(accepted=accepted))
        again = await it.customer.post(session=first.session)

        assert (first.status, again.status) == (200, 200)
        assert (it.node.sessions[0].cost, it.node.sessions[0].unbilled) == (0, 2)


async def test_a_session_that_is_exactly_used_up_is_a_bare_402_and_settles_at_once(
    july: Scene,
) -> None:
    first = await july.customer.paid()
    july.node.sessions[0].cost = july.node.sessions[0].cap

    assert_bare(await july.customer.post(session=first.session))
    await july.node.tick()
    (call,) = july.facilitator.named("/settle")
    assert call.body["paymentRequirements"]["amount"] == OPTION["amount"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "detail"),
    [
        ({"model": "gpt-5", "messages": "x"}, {}, 400, "'x' is not of type 'array' - 'messages'"),
        ({"model": 5, "messages": []}, {}, 400, "5 is not of type 'string' - 'model'"),
        ([], {}, 400, "[] is not of type 'object'"),
    ],
)
async def test_a_bad_body_is_a_problem_document(
    july: Scene, body: Any, headers: dict[str, str], status: int, detail: str
) -> None:
    reply = await july.customer.paid(json.dumps(body).encode(), **headers)

    assert (reply.status, reply.json["detail"]) == (status, detail)
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert july.node.sessions[0].cost == 0


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_numbers_that_json_does_not_have_are_refused(july: Scene, path: str) -> None:
    messages = '"messages": [{"role": "user", "content": "x"}], "prompt": "x"'
    raw = f'{{"model": "gpt-5", {messages}, "temperature": NaN}}'.encode()

    assert (await july.customer.paid(raw, path=path)).status == 400


async def test_half_a_character_is_answered(july: Scene) -> None:
    raw = b'{"model": "gpt-5", "messages": [{"role": "user", "content": "\\ud800"}]}'

    assert (await july.customer.paid(raw)).status == 200


async def test_only_json_is_taken(july: Scene) -> None:
    reply = await july.customer.paid(b"x", **{"Content-Type": "text/plain"})

    assert reply.status == 415
    assert set(reply.json) == {"error", "message"}


async def test_a_model_that_april_does_not_know_is_refused_there(april: Scene, july: Scene) -> None:
    body = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}]}

    assert (await april.customer.paid(body)).json == {"error": "Model 'gpt-5.5' is not supported"}
    assert (await july.customer.paid(body)).status == 200


async def test_requests_are_counted_by_path(july: Scene) -> None:
    await july.customer.get("/health")
    await july.customer.paid()
    await july.customer.post()

    assert july.node.requests == {"/health": 1, CHAT: 2}
