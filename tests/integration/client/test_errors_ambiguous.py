"""Connections that are cut after the payment left: one authorization, whatever becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk import Devnet
from opengradient_sdk._core.http import HttpResponse
from opengradient_sdk.client.events import RequestResent
from opengradient_sdk.errors import PaymentOutcomeUnknownError, Spent, TransportError
from opengradient_sdk.network.connection import NodeConnection

from .kit import CAP, CustomerFactory, refused
from .scripted_node import ScriptedNode, scripted_node

_PAYMENT = "PAYMENT-SIGNATURE"
_SESSION = "X-Upto-Session"


class Wire:
    """Sees the payment headers of every request, and cuts the first answers to paid ones."""

    def __init__(self, net: Devnet, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[str] = []
        self.cuts = 0
        faults, post = net.nodes[0].faults, NodeConnection.post

        async def seen(
            connection: NodeConnection,
            path: str,
            body: bytes,
            headers: Mapping[str, str],
            *,
            timeout: float,
        ) -> HttpResponse:
            paid = headers.get(_PAYMENT) or headers.get(_SESSION)
            if paid:
                self.sent.append(paid)
            setattr(faults, fault, bool(paid and self.cuts))
            if paid and self.cuts:
                self.cuts -= 1
            return await post(connection, path, body, headers, timeout=timeout)

        monkeypatch.setattr(NodeConnection, "post", seen)


@pytest.fixture(params=["drop_before_work", "drop_after_work"])
def fault(request: pytest.FixtureRequest) -> str:
    """Where the connection is cut."""
    return str(request.param)


@pytest.fixture
def wire(net: Devnet, fault: str, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """What goes to the node."""
    return Wire(net, fault, monkeypatch)


async def test_a_cut_request_is_sent_again_once_under_the_same_header(
    net: Devnet, customer: CustomerFactory, wire: Wire, fault: str
) -> None:
    one = await customer()
    wire.cuts = 1

    reply = await one.ask()

    assert len(wire.sent) == 2
    assert wire.sent[0] == wire.sent[1] == one.lives[0].authorization.header
    assert len(one.events_of(RequestResent)) == 1
    assert reply.receipt.resent == reply.receipt.authorization.resent == 1
    assert any("may have been billed for" in item for item in reply.receipt.unresolved)
    sessions = [s for s in net.nodes[0].sessions if s.payer == one.signer.address.lower()]
    assert [s.billed for s in sessions] == [1 if fault == "drop_before_work" else 2]
    await one.assert_exposed(caps=1)


async def test_a_call_on_a_session_is_sent_again_on_the_same_session(
    net: Devnet, customer: CustomerFactory, wire: Wire
) -> None:
    one = await customer()
    await one.ask()
    wire.cuts = 1

    reply = await one.ask()

    session = next(s for s in net.nodes[0].sessions if s.payer == one.signer.address.lower())
    assert wire.sent[1:] == [session.id, session.id]
    assert reply.receipt.resent == 1
    assert reply.receipt.authorization.calls == 2
    await one.assert_exposed(caps=1)


async def test_two_cuts_in_a_row_leave_the_outcome_unknown(
    customer: CustomerFactory, wire: Wire, fault: str
) -> None:
    one = await customer()
    wire.cuts = 2

    with refused(
        PaymentOutcomeUnknownError,
        "no answer came",
        spent=Spent.MAYBE,
        hint="client.payments.unresolved",
        secrets=lambda: one.secrets,
    ) as caught:
        await one.ask()

    assert caught.error.amount.atoms == CAP
    assert isinstance(caught.error.__cause__, TransportError)
    assert caught.error.__cause__.sent
    assert wire.sent == [one.lives[0].authorization.header] * 2
    assert (one.served > 0) is (fault == "drop_after_work")
    await one.assert_exposed(caps=1)
    assert [life.resent for life in one.client.payments.unresolved] == [1]

    reply = await one.ask()  # the same authorization serves on
    assert reply.receipt.authorization.nonce == one.lives[0].authorization.nonce
    await one.assert_exposed(caps=1)


async def test_who_wants_no_second_sending_gets_the_error_at_once(
    customer: CustomerFactory, wire: Wire
) -> None:
    one = await customer(on_ambiguous="raise")
    wire.cuts = 1

    with refused(
        PaymentOutcomeUnknownError,
        "no answer came",
        spent=Spent.MAYBE,
        hint="No second payment was signed",
        secrets=lambda: one.secrets,
    ):
        await one.ask()

    assert len(wire.sent) == 1
    assert one.events_of(RequestResent) == []
    await one.assert_exposed(caps=1)
    assert (await one.ask()).text
    await one.assert_exposed(caps=1)


async def test_what_was_cut_before_the_work_is_released_when_the_permit_has_expired(
    net: Devnet, customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(net, "drop_before_work", monkeypatch)
    one = await customer(on_ambiguous="raise", budget="0.1 OPG")
    wire.cuts = 1
    with pytest.raises(PaymentOutcomeUnknownError):
        await one.ask()

    await net.advance(400)
    await net.mine(20)

    assert (await one.ask()).text  # the chain has spoken: the cap is free for another one
    assert len(one.signer.typed_data) == 2
    assert await one.exposed() == CAP


@pytest.fixture(scope="module")
async def scripted(net: Devnet) -> AsyncIterator[ScriptedNode]:
    """A node that answers what it is told."""
    async with scripted_node(net) as node:
        yield node


async def test_a_refusal_after_a_cut_signs_no_second_authorization(
    customer: CustomerFactory, scripted: ScriptedNode
) -> None:
    one = await customer()

    async def cut_then_refuse(request: web.BaseRequest) -> web.Response:
        if len(scripted.paid) == 1:
            assert request.transport is not None
            request.transport.abort()
        return scripted.challenge()

    scripted.answer = scripted.once_paid(cut_then_refuse)

    with refused(
        PaymentOutcomeUnknownError,
        spent=Spent.MAYBE,
        hint="No second payment",
        secrets=_secrets(one),
    ):
        await one.ask(node=scripted.endpoint)

    assert len(scripted.paid) == 2
    assert len({request.headers[_PAYMENT] for request in scripted.paid}) == 1
    await one.assert_exposed(caps=1)


async def test_a_body_that_breaks_off_is_as_ambiguous_as_no_answer(
    customer: CustomerFactory, scripted: ScriptedNode
) -> None:
    one = await customer()
    scripted.requests.clear()

    async def half(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": ')
        assert request.transport is not None
        request.transport.abort()
        return response

    scripted.answer = scripted.once_paid(half)

    with refused(
        PaymentOutcomeUnknownError,
        spent=Spent.MAYBE,
        hint="No second payment",
        secrets=_secrets(one),
    ):
        await one.ask(node=scripted.endpoint)

    assert len(scripted.paid) == 2
    await one.assert_exposed(caps=1)


def _secrets(one: Any) -> Any:
    return lambda: one.secrets
