"""A call that was interrupted is never taken for a free one, whatever stops its repetition."""

from __future__ import annotations

import pytest

from opengradient_sdk import Assurance, Devnet
from opengradient_sdk.errors import (
    AttestationError,
    PaymentOutcomeUnknownError,
    RegistryUnavailableError,
    Spent,
)
from opengradient_sdk.network.registry import Registry
from opengradient_sdk.payments.journal import CallState
from opengradient_sdk.verification import PcrIn

from .kit import Customer, CustomerFactory, after


async def interrupted(net: Devnet, customer: CustomerFactory, place: str) -> Customer:
    """Return a customer whose call with the key "k" was served, and its answer lost."""
    one = await customer(store=place, on_ambiguous="raise")
    await one.ask()
    net.nodes[0].faults.drop_after_work = True
    with pytest.raises(PaymentOutcomeUnknownError):
        await one.ask(idempotency_key="k")
    net.nodes[0].faults.drop_after_work = False
    return one


async def test_an_interrupted_call_is_no_free_one_when_its_node_proves_nothing(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await interrupted(net, customer, place)
    (life,) = one.lives
    two = await after(customer, one, store=place, require=Assurance.ATTESTED, trust=net.trust)
    node = net.nodes[0]
    honest, node.pcrs = node.pcrs, dict.fromkeys(range(3), b"\t" * 48)
    try:
        with pytest.raises(PaymentOutcomeUnknownError) as caught:
            await two.ask(idempotency_key="k")
    finally:
        node.pcrs = honest
    assert caught.value.spent is Spent.MAYBE
    assert isinstance(caught.value.__cause__, AttestationError)

    calls = await two.client._work.core.journal.calls(life.nonce)

    assert [call.state for call in calls if call.key == "k"] == [CallState.UNKNOWN]


async def test_an_interrupted_call_is_not_sent_again_to_a_build_that_is_refused(
    net: Devnet, customer: CustomerFactory, place: str
) -> None:
    one = await interrupted(net, customer, place)
    served = one.served
    two = await after(customer, one, store=place, require=PcrIn(b"\x07" * 32))

    with pytest.raises(PaymentOutcomeUnknownError, match="is refused"):
        await two.ask(idempotency_key="k")

    assert two.served == served


async def test_an_interrupted_call_is_no_free_one_when_the_registry_is_down(
    net: Devnet, customer: CustomerFactory, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await interrupted(net, customer, place)
    two = await after(customer, one, store=place)

    async def down(*_: object, **__: object) -> None:
        raise RegistryUnavailableError("down")

    with monkeypatch.context() as outage:
        outage.setattr(Registry, "snapshot", down)
        with pytest.raises(PaymentOutcomeUnknownError, match="down"):
            await two.ask(idempotency_key="k")
    two.client._work.core.sessions.retire_all()
    signed = two.signer.count

    with pytest.raises(PaymentOutcomeUnknownError):
        await two.ask(idempotency_key="k")

    assert two.signer.count == signed
