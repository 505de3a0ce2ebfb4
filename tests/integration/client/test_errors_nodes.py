"""Nodes that are down, slow, somebody else, or talk nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk import Devnet
from opengradient_sdk.client.events import RequestResent
from opengradient_sdk.devnet.node.identity import Enclave
from opengradient_sdk.errors import (
    APIStatusError,
    InvalidChallengeError,
    NodeProtocolError,
    NodeTimeoutError,
    OpenGradientError,
    PaymentOutcomeUnknownError,
    PinMismatchError,
    RateLimitedError,
    RedirectError,
    ServerError,
    Spent,
    TransportError,
    VerificationError,
)

from .kit import CAP, CHAT, CustomerFactory, closed_port, refused
from .scripted_node import ScriptedNode, listed, scripted_node, usual_answer


@pytest.fixture(scope="module")
async def registered(net: Devnet) -> AsyncIterator[ScriptedNode]:
    """A registered node that answers what it is told, beside the network's honest one."""
    async with scripted_node(net) as one:
        yield one


@pytest.fixture
def node(registered: ScriptedNode) -> ScriptedNode:
    """The scripted node, as if nobody had asked it yet."""
    registered.requests.clear()
    return registered


async def test_a_node_that_is_down_costs_nothing(net: Devnet, customer: CustomerFactory) -> None:
    keys = await Enclave.create("down", net.clock.now())
    keys.close()
    one = await customer()

    with closed_port() as url:
        async with listed(net, keys, url.replace("http", "https")):
            with refused(TransportError, "no connection", hint="another node") as caught:
                await one.ask(node=str(keys.tee_id))

    assert caught.error.sent is False
    assert caught.error.retryable
    await one.assert_nothing_happened()
    assert (await one.ask(node=net.nodes[0].endpoint)).text


async def test_another_certificate_is_refused_before_anything_is_sent(
    net: Devnet, customer: CustomerFactory
) -> None:
    registered = await Enclave.create("registered", net.clock.now())
    registered.close()
    one = await customer()

    async with scripted_node(net, registered=registered) as impostor:
        with refused(
            PinMismatchError, "another certificate", impostor.endpoint[8:], hint="Nothing was sent"
        ) as caught:
            await one.ask(node=impostor.endpoint)

    assert not caught.error.retryable
    assert impostor.requests == []
    await one.assert_nothing_happened()


async def test_a_node_that_is_slow_to_ask_for_payment_costs_nothing(
    customer: CustomerFactory, node: ScriptedNode
) -> None:
    node.answer = _never
    one = await customer()

    with refused(NodeTimeoutError, "no answer in time", hint="timeout="):
        await one.ask(node=node.endpoint, timeout=0.05)

    assert node.paid == []
    await one.assert_nothing_happened()


async def test_a_node_that_is_slow_to_answer_may_have_billed(
    net: Devnet, customer: CustomerFactory, node: ScriptedNode
) -> None:
    node.answer = node.once_paid(_never)
    one = await customer()

    with refused(
        PaymentOutcomeUnknownError,
        "no answer in time",
        spent=Spent.MAYBE,
        hint="client.payments.unresolved",
        secrets=lambda: one.secrets,
    ) as caught:
        await one.ask(node=node.endpoint, timeout=1.5)  # it is paid well before

    assert caught.error.amount.atoms == CAP
    assert isinstance(caught.error.__cause__, NodeTimeoutError)
    first, second = (request.headers["PAYMENT-SIGNATURE"] for request in node.paid)
    assert first == second
    assert len(one.events_of(RequestResent)) == 1
    await one.assert_exposed(caps=1)
    assert len(one.client.payments.unresolved) == 1
    assert (await one.ask(node=net.nodes[0].endpoint)).text


async def test_a_redirect_of_the_question_is_not_followed(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.redirect = "http://127.0.0.1:1/v1/chat/completions"

    with refused(RedirectError, "not followed", hint="payment header must not travel"):
        await one.ask(node=net.nodes[0].endpoint)

    await one.assert_nothing_happened()


async def test_a_redirect_of_a_payment_is_not_followed(
    net: Devnet, customer: CustomerFactory, node: ScriptedNode
) -> None:
    elsewhere = net.nodes[0]
    before = elsewhere.requests.total()
    node.answer = node.once_paid(_redirected_to(elsewhere.endpoint + CHAT))
    one = await customer()

    with refused(
        RedirectError, "not followed", hint="must not travel", secrets=lambda: one.secrets
    ):
        await one.ask(node=node.endpoint)

    assert elsewhere.requests.total() == before
    assert len(node.paid) == 1
    await one.assert_exposed(caps=1)


_GARBAGE: dict[str, tuple[Callable[[], web.Response], type[OpenGradientError], str, str]] = {
    "an answer that nobody paid for": (
        lambda: web.json_response(usual_answer()),
        NodeProtocolError,
        "status 200",
        "Nothing was paid",
    ),
    "a page": (
        lambda: web.Response(text="<html>hello</html>", content_type="text/html"),
        NodeProtocolError,
        "status 200",
        "Nothing was paid",
    ),
    "a page for browsers": (
        lambda: web.Response(text="<h1>Pay!</h1>", status=402, content_type="text/html"),
        InvalidChallengeError,
        "without saying how",
        "Nothing was signed",
    ),
    "a failure": (
        lambda: web.Response(text="\x00\xff", status=500),
        ServerError,
        "500",
        "do not bill",
    ),
    "a failure in a list": (
        lambda: web.json_response([{"error": 7}], status=502),
        ServerError,
        "502",
        "do not bill",
    ),
    "too many requests": (
        lambda: web.json_response({"error": "slow down"}, status=429),
        RateLimitedError,
        "slow down",
        "later",
    ),
}


@pytest.mark.parametrize("kind", _GARBAGE)
async def test_nonsense_instead_of_a_challenge_costs_nothing(
    customer: CustomerFactory, node: ScriptedNode, kind: str
) -> None:
    response, error, words, hint = _GARBAGE[kind]
    node.answer = _saying(response)
    one = await customer()

    with refused(error, words, hint=hint):
        await one.ask(node=node.endpoint)

    assert node.paid == []
    await one.assert_nothing_happened()


_ANSWERS: dict[str, object] = {
    "a list": [usual_answer()],
    "null": None,
    "a number": 7,
    "text": "hello",
}


@pytest.mark.parametrize("kind", _ANSWERS)
async def test_a_paid_answer_that_is_no_object_may_have_been_billed(
    customer: CustomerFactory, node: ScriptedNode, kind: str
) -> None:
    node.answer = node.once_paid(_saying(lambda: web.json_response(_ANSWERS[kind])))
    one = await customer()

    with refused(
        NodeProtocolError,
        "not a JSON object",
        spent=Spent.MAYBE,
        hint="another node",
        secrets=lambda: one.secrets,
    ):
        await one.ask(node=node.endpoint)

    assert len(node.paid) == 1
    await one.assert_exposed(caps=1)


_HOLES: dict[str, dict[str, Any]] = {
    "no choices": {"choices": []},
    "choices of another kind": {"choices": "many"},
    "a choice of another kind": {"choices": ["hello"]},
    "no message": {"choices": [{"index": 0}]},
    "calls that were not finished for": {
        "choices": [
            {
                "message": {
                    "content": "hello",
                    "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ],
                },
                "finish_reason": "stop",
            }
        ]
    },
    "no signature": {},
    "a signature that is a number": {
        "tee_signature": 7,
        "tee_timestamp": 7,
        "tee_request_hash": 7,
        "tee_output_hash": 7,
        "tee_id": 7,
    },
    "strange token counts": {"usage": {"prompt_tokens": -5, "completion_tokens": "many"}},
    "counts beyond measure": {
        "usage": {"prompt_tokens": 10**60, "completion_tokens": 1, "total_tokens": 2}
    },
}


@pytest.mark.parametrize("kind", _HOLES)
async def test_a_paid_answer_with_a_hole_is_refused_with_its_receipt(
    customer: CustomerFactory, node: ScriptedNode, kind: str
) -> None:
    node.answer = node.once_paid(_saying(lambda: web.json_response(usual_answer(**_HOLES[kind]))))
    one = await customer()

    with refused(
        VerificationError, spent=Spent.YES, hint="answer", secrets=lambda: one.secrets
    ) as caught:
        await one.ask(node=node.endpoint)

    receipt = await one.client.receipts.get(caught.error.receipt_id)
    assert receipt.explain()
    await one.assert_exposed(caps=1)


async def test_a_node_without_an_opg_price_says_so_and_does_not_bill(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.price_unavailable = True

    with refused(ServerError, "503", "Pricing unavailable", hint="no OPG price"):
        await one.ask(node=net.nodes[0].endpoint)

    assert one.served == 0
    await one.assert_exposed(caps=1)
    net.nodes[0].faults.price_unavailable = False
    assert (await one.ask(node=net.nodes[0].endpoint)).receipt.authorization.calls == 1
    await one.assert_exposed(caps=1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
async def test_an_error_status_on_a_paid_call_is_not_billed(
    net: Devnet, customer: CustomerFactory, status: int
) -> None:
    one = await customer()
    net.nodes[0].faults.status = status

    kind = APIStatusError.for_status(status)
    with refused(kind, str(status), hint="", secrets=lambda: one.secrets) as caught:
        await one.ask(node=net.nodes[0].endpoint)

    assert caught.error.status_code == status
    assert caught.error.hint
    assert one.served == 0
    await one.assert_exposed(caps=1)


async def test_a_facilitator_that_talks_nonsense_is_the_nodes_failure(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.facilitator.faults.broken_json = True

    with refused(ServerError, "502", "Facilitator error", hint="do not bill") as caught:
        await one.ask(node=net.nodes[0].endpoint)

    assert caught.error.status_code == 502
    assert caught.error.retryable
    await one.assert_exposed(caps=1)
    net.facilitator.faults.broken_json = False

    assert (await one.ask(node=net.nodes[0].endpoint)).text  # the same authorization, now accepted
    await one.assert_exposed(caps=1)


def _saying(response: Callable[[], web.Response]) -> Callable[..., Awaitable[web.Response]]:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return response()

    return answer


def _redirected_to(address: str) -> Callable[..., Awaitable[web.Response]]:
    return _saying(lambda: web.Response(status=307, headers={"Location": address}))


async def _never(_request: web.BaseRequest) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")
