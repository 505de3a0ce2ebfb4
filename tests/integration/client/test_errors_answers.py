"""Answers that are not what they claim to be: refused, kept as evidence, and never paid twice."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from opengradient_sdk import Assurance, Devnet
from opengradient_sdk._core.http import HttpResponse
from opengradient_sdk.client.events import NodeLeft
from opengradient_sdk.errors import (
    NodeProtocolError,
    OpenGradientError,
    OutputHashError,
    RequestHashError,
    SignatureError,
    Spent,
    VerificationError,
)
from opengradient_sdk.network.connection import NodeConnection
from opengradient_sdk.verification import CheckStatus

from .kit import CAP, CustomerFactory, refused

_LIES = {
    "wrong_request_hash": (RequestHashError, "request_hash"),
    "wrong_output_hash": (OutputHashError, "output_hash"),
    "wrong_signature": (SignatureError, "signature"),
    "wrong_salt": (SignatureError, "signature"),
    "wrong_tee_id": (VerificationError, "tee_id"),
    "unsigned": (VerificationError, "fields"),
    "second_choice": (VerificationError, "coverage"),
}


@pytest.mark.parametrize("lie", _LIES)
async def test_a_lie_about_the_answer_is_caught_and_its_evidence_kept(
    net: Devnet, customer: CustomerFactory, lie: str
) -> None:
    kind, check = _LIES[lie]
    one = await customer()
    setattr(net.nodes[0].faults, lie, True)

    with refused(kind, spent=Spent.YES, hint="answer", secrets=lambda: one.secrets) as caught:
        await one.ask()

    error = caught.error
    failed = [c.name for c in error.evidence.checks if c.status is CheckStatus.FAILED]
    assert failed == [check]
    receipt = await one.client.receipts.get(error.receipt_id)
    assert receipt.assurance is Assurance.UNVERIFIED
    assert error.amount == receipt.cost
    await one.assert_exposed(caps=1)
    assert one.served == receipt.cost.atoms
    assert [event.tee_id for event in one.events_of(NodeLeft)] == [net.nodes[0].tee_id]


@pytest.mark.parametrize("lie", ["wrong_request_hash", "wrong_output_hash", "wrong_signature"])
async def test_a_lie_about_a_completion_is_caught_too(
    net: Devnet, customer: CustomerFactory, lie: str
) -> None:
    one = await customer()
    setattr(net.nodes[0].faults, lie, True)

    with refused(_LIES[lie][0], spent=Spent.YES, hint="answer", secrets=lambda: one.secrets):
        await one.client.completions.create(model="gpt-5", prompt="hi")

    await one.assert_exposed(caps=1)


async def test_after_a_lie_the_same_session_serves_a_node_that_is_named(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.wrong_output_hash = True
    with pytest.raises(OutputHashError):
        await one.ask()
    net.nodes[0].faults.wrong_output_hash = False

    reply = await one.ask(node=net.nodes[0].endpoint)

    assert reply.receipt.assurance is Assurance.REGISTERED
    assert reply.receipt.authorization.calls == 2
    await one.assert_exposed(caps=1)


async def test_the_only_node_is_left_after_a_lie(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    net.nodes[0].faults.wrong_signature = True
    with pytest.raises(SignatureError):
        await one.ask()
    net.nodes[0].faults.wrong_signature = False

    with pytest.raises(OpenGradientError) as info:
        await one.ask()

    assert type(info.value).__name__ == "NoNodeAvailableError"
    assert net.nodes[0].endpoint in info.value.short_message
    assert "name one of them" in info.value.hint
    await one.assert_exposed(caps=1)


async def test_an_old_answer_is_not_fresh(
    net: Devnet, customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _LateClock(net)
    one = await customer(clock=clock)
    post = NodeConnection.post

    async def arrives_late(
        self: NodeConnection, path: str, body: bytes, headers: Mapping[str, str], *, timeout: float
    ) -> HttpResponse:
        answer = await post(self, path, body, headers, timeout=timeout)
        if answer.status == 200:
            clock.ahead = 301
        return answer

    monkeypatch.setattr(NodeConnection, "post", arrives_late)
    with refused(VerificationError, "more than 300 s", spent=Spent.YES, hint="answer") as caught:
        await one.ask()

    failed = [c.name for c in caught.error.evidence.checks if c.status is CheckStatus.FAILED]
    assert failed == ["freshness"]
    await one.assert_exposed(caps=1)


async def test_an_answer_that_is_not_json_may_have_been_billed(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.garbage_body = True

    with refused(
        NodeProtocolError,
        "JSON",
        spent=Spent.MAYBE,
        hint="another node",
        secrets=lambda: one.secrets,
    ) as caught:
        await one.ask()

    assert caught.error.amount.atoms == CAP
    await one.assert_exposed(caps=1)
    assert one.served > 0
    assert one.lives[0].calls == one.lives[0].unpriced == 1

    net.nodes[0].faults.garbage_body = False
    reply = await one.ask()
    assert reply.receipt.authorization.calls == 2
    await one.assert_exposed(caps=1)


class _LateClock:
    """The network's clock, and later one that is ahead of it."""

    def __init__(self, net: Devnet) -> None:
        self._clock = net.clock
        self.ahead = 0.0

    def now(self) -> float:
        return self._clock.now() + self.ahead
