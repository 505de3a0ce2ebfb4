"""Sending a paid request: what goes out again under which header, and when it is given up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from opengradient_sdk.client.config import OnAmbiguous
from opengradient_sdk.client.events import PaymentRefused, RequestResent
from opengradient_sdk.errors import (
    NetworkError,
    PaymentOutcomeUnknownError,
    PaymentRejectedError,
    PinMismatchError,
    RedirectError,
    Spent,
)
from opengradient_sdk.payments.journal import PaymentJournal
from opengradient_sdk.payments.state import AuthorizationState, OpenAuthorization

from ..payments.journal.clients import Client
from ..payments.makers import CAP
from .counter import CALL, CUT, GONE, LATE, UNREACHED, Answer, Counter, Wire, refusing


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    client = Client(":memory:")
    yield Counter(client)
    await client.aclose()


async def test_the_first_call_pays_and_the_next_ones_show_the_session(counter: Counter) -> None:
    _, first = await counter.deliver(Answer(session="s-1"))
    _, second = await counter.deliver(Answer(session="s-1"))
    assert first.paid_with == [counter.header(0)]
    assert second.paid_with == ["s-1"]
    assert len(counter.signed) == 1


async def test_without_a_session_every_call_shows_the_authorization(counter: Counter) -> None:
    await counter.deliver(Answer(session=None))
    _, second = await counter.deliver(Answer(session=None))
    assert second.paid_with == [counter.header(0)]
    assert len(counter.signed) == 1


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_an_error_answer_is_an_answer(counter: Counter, status: int) -> None:
    delivery, _ = await counter.deliver(Answer(status))
    assert delivery.status == status
    assert delivery.authorization.session_id == "s-1"


async def test_a_lost_session_is_first_answered_with_the_original_header(counter: Counter) -> None:
    await counter.deliver(Answer(session="s-1"))
    delivery, wire = await counter.deliver(GONE, Answer(session="s-2"))
    assert wire.paid_with == ["s-1", counter.header(0)]
    assert len(counter.signed) == 1
    assert delivery.authorization.session_id == "s-2"
    assert counter.events == []


async def test_only_a_refused_cap_is_followed_by_a_new_one(counter: Counter) -> None:
    await counter.deliver(Answer())
    _, wire = await counter.deliver(GONE, GONE, Answer(session="s-9"))
    assert wire.paid_with == ["s-1", counter.header(0), counter.header(1)]
    old, new = counter.signed
    assert old.state is AuthorizationState.RETIRED
    assert old.ended_by_node
    assert new.session_id == "s-9"
    assert counter.lives.unresolved == (old, new)
    (event,) = counter.events
    assert isinstance(event, PaymentRefused)
    assert event.reason == "Session expired or exhausted"


async def test_two_refused_caps_are_enough(counter: Counter) -> None:
    with pytest.raises(PaymentRejectedError) as error:
        await counter.deliver(refusing("first"), refusing("permit2_deadline_expired"))
    assert len(counter.signed) == 2
    assert error.value.reason == "permit2_deadline_expired"
    assert "clock" in error.value.hint
    assert error.value.amount is not None
    assert error.value.amount.atoms == CAP
    assert isinstance(error.value.__cause__, PaymentRejectedError)
    assert error.value.__cause__.reason == "first"


async def test_a_refusal_without_words_is_one(counter: Counter) -> None:
    with pytest.raises(PaymentRejectedError, match="payment required"):
        await counter.deliver(refusing(""), refusing(""))


@pytest.mark.parametrize("lost", [CUT, LATE])
async def test_a_lost_request_goes_out_once_more_under_the_same_header(
    counter: Counter, lost: NetworkError
) -> None:
    delivery, wire = await counter.deliver(lost, Answer())
    assert wire.paid_with == [counter.header(0)] * 2
    assert delivery.resent == 1
    assert counter.signed[0].resent == 1
    assert [type(event) for event in counter.events] == [RequestResent]


async def test_not_at_all_if_the_owner_says_so(counter: Counter) -> None:
    with pytest.raises(PaymentOutcomeUnknownError) as error:
        await counter.deliver(CUT, on_ambiguous="raise")
    assert error.value.spent is Spent.MAYBE
    assert error.value.amount is not None
    assert error.value.amount.atoms == CAP
    assert len(counter.signed) == 1


async def test_lost_twice_is_unknown(counter: Counter) -> None:
    with pytest.raises(PaymentOutcomeUnknownError) as error:
        await counter.deliver(CUT, LATE)
    assert error.value.spent is Spent.MAYBE
    assert counter.pool.takes(counter.signed[0])


async def test_what_never_left_goes_out_again_freely(counter: Counter) -> None:
    delivery, wire = await counter.deliver(UNREACHED, UNREACHED, Answer())
    assert wire.paid_with == [counter.header(0)] * 3
    assert delivery.resent == 0
    assert counter.events == []


@pytest.mark.parametrize(
    "script",
    [
        [UNREACHED] * 3,
        [PinMismatchError("another certificate")],
        [RedirectError("a redirect")],
    ],
    ids=["unreached", "another certificate", "a redirect"],
)
async def test_what_was_not_served_has_cost_nothing(
    counter: Counter, script: list[NetworkError]
) -> None:
    with pytest.raises(type(script[0])) as error:
        await counter.deliver(*script)
    assert error.value.spent is Spent.NO


@pytest.mark.parametrize(
    "after",
    [
        [UNREACHED] * 2,
        [PinMismatchError("another certificate")],
        [RedirectError("a redirect")],
        [refusing("permit2_nonce_used")],
    ],
    ids=["unreached", "another certificate", "a redirect", "refused"],
)
async def test_a_lost_request_may_have_cost_whatever_comes_after(
    counter: Counter, after: list[Answer | NetworkError]
) -> None:
    with pytest.raises(PaymentOutcomeUnknownError) as error:
        await counter.deliver(CUT, *after)
    assert error.value.spent is Spent.MAYBE
    assert len(counter.signed) == 1


@pytest.mark.parametrize(
    ("script", "on_ambiguous", "unpriced"),
    [
        ([CUT], "raise", 1),
        ([CUT, LATE], "retry_same", 1),
        ([UNREACHED] * 3, "raise", 0),
        ([PinMismatchError("another certificate")], "raise", 0),
        ([Answer(500)], "raise", 0),
    ],
)
async def test_what_may_be_billed_unseen_is_counted(
    counter: Counter, script: list[Answer | NetworkError], on_ambiguous: OnAmbiguous, unpriced: int
) -> None:
    """Else its charge would look like an overcharge of the others."""
    with contextlib.suppress(NetworkError, PaymentOutcomeUnknownError):
        await counter.deliver(*script, on_ambiguous=on_ambiguous)
    assert [life.unpriced for life in counter.signed] == [unpriced]


async def test_a_cancelled_callers_request_may_be_billed(counter: Counter) -> None:
    wire, sent, errand = counter.wire(), asyncio.Event(), counter.errand()

    async def never_answered(_headers: Mapping[str, str]) -> int:
        sent.set()
        return await asyncio.get_running_loop().create_future()

    wire.send = never_answered  # type: ignore[method-assign]

    async def call() -> None:
        async with counter.exchange().deliver(CALL, wire, errand):
            pass

    calling = asyncio.create_task(call())
    await sent.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    (life,) = counter.signed
    assert (life.unpriced, life.in_flight) == (1, 0)
    assert (errand.record.attempts, errand.lost) == (1, 0)


class Forgetful(Wire):
    """A wire to a node that has lost a session and will not hear of its permit again."""

    def __init__(self, lost: OpenAuthorization, journal: PaymentJournal) -> None:
        super().__init__([], journal)
        self.refused = {lost.session_id, lost.authorization.header}

    async def send(self, headers: Mapping[str, str]) -> int:
        await asyncio.sleep(0)
        knows = self.refused.isdisjoint(headers.values())
        self.script.append(Answer(session="s-2") if knows else GONE)
        return await super().send(headers)


async def test_a_session_that_ends_under_load_costs_one_signature(counter: Counter) -> None:
    await counter.deliver(Answer())
    wires = [Forgetful(counter.signed[0], counter.client.journal) for _ in range(50)]

    async def one(wire: Wire) -> None:
        async with counter.exchange().deliver(CALL, wire, counter.errand()) as delivery:
            assert delivery.authorization is counter.signed[1]

    await asyncio.gather(*(one(wire) for wire in wires))
    assert len(counter.signed) == 2
    assert all(life.in_flight == 0 for life in counter.signed)
