"""Explaining without signing, what the owner may say, and who is told of what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.errors import ConfigurationError, PolicyRejectedError
from opengradient_sdk.payments.policy import FacilitatorChanged, PaymentPolicy
from opengradient_sdk.payments.refusal import Refusal, shown
from opengradient_sdk.payments.rules import PaymentRules
from opengradient_sdk.profiles import DEVNET, MAINNET
from opengradient_sdk.types import Address, Bytes32, TxRequest

from .makers import CAP, FACILITATOR, PAYEE, STRANGER, TEE, SteppedClock, an_offer
from .test_policy import APPROVAL, OPG, a_policy, a_transaction
from .test_policy_typed_data import typed

ANOTHER_TEE = Bytes32(b"\x02" * 32)


class Told:
    """A policy, and everything that it has told."""

    def __init__(self, **rules: Any) -> None:
        self.refusals: list[tuple[Refusal, Bytes32 | None]] = []
        self.changes: list[FacilitatorChanged] = []
        self.policy = PaymentPolicy(
            DEVNET,
            PaymentRules(**rules),
            max_approval=APPROVAL,
            clock=SteppedClock(),
            on_refusal=lambda refusal, tee_id: self.refusals.append((refusal, tee_id)),
            on_facilitator=self.changes.append,
        )

    @property
    def fields(self) -> list[str]:
        return [refusal.field for refusal, _ in self.refusals]

    def pay(self, facilitator: Address, tee_id: Bytes32 | None = TEE, payee: Any = PAYEE) -> None:
        offer = an_offer(extra={"facilitatorAddress": facilitator}, pay_to=payee)
        self.policy.grant(offer, payee, typed(offer), tee_id=tee_id)


def test_an_honest_offer_is_allowed() -> None:
    (verdict,) = a_policy().explain([an_offer()], PAYEE)
    assert verdict.allowed
    assert verdict.refusals == ()
    assert str(verdict) == f"upto on eip155:31337 to {PAYEE}: allowed"


def test_every_failing_member_is_named() -> None:
    offer = an_offer(
        scheme="subscription",
        network="eip155:1",
        asset=STRANGER,
        amount=1000 * CAP,
        pay_to=STRANGER,
        max_timeout_seconds=0,
        extra={"assetTransferMethod": "eip3009", "facilitatorAddress": 5},
    )
    (verdict,) = a_policy(facilitators=(FACILITATOR,)).explain([offer], PAYEE)
    assert not verdict.allowed
    assert [refusal.field for refusal in verdict.refusals] == [
        "scheme",
        "network",
        "asset",
        "extra.assetTransferMethod",
        "amount",
        "payTo",
        "extra.facilitatorAddress",
        "maxTimeoutSeconds",
    ]
    assert all(refusal.hint for refusal in verdict.refusals)
    assert str(verdict).startswith(f"subscription on eip155:1 to {STRANGER}: refused, because ")
    assert f"{1000 * CAP} atoms of {STRANGER}, allowed is at most 0.1 OPG" in str(verdict)


def test_explaining_nothing_gives_nothing() -> None:
    assert a_policy().explain([], PAYEE) == ()


def test_explaining_tells_nobody_and_remembers_nothing() -> None:
    told = Told()
    told.policy.explain(
        [an_offer(amount=0), an_offer(extra={"facilitatorAddress": STRANGER})], PAYEE
    )
    told.pay(FACILITATOR)
    assert (told.refusals, told.changes) == ([], [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"asset": "0x" + DEVNET.opg[2:].swapcase()}, "asset"),
        ({"pay_to": "0x" + str(MAINNET.recipients[0])[2:].swapcase()}, "payTo"),
        ({"extra": {"facilitatorAddress": None}}, "extra.facilitatorAddress"),
        ({"extra": {"facilitatorAddress": "0x17"}}, "extra.facilitatorAddress"),
    ],
)
def test_an_offer_that_cannot_be_signed_is_not_called_allowed(
    changes: dict[str, Any], field: str
) -> None:
    policy = a_policy(recipients=MAINNET.recipients)
    (verdict,) = policy.explain([an_offer(**changes)], PAYEE)
    assert [refusal.field for refusal in verdict.refusals] == [field]
    assert "EIP-55" in str(verdict)


def test_an_exact_offer_needs_no_facilitator() -> None:
    offer = an_offer(scheme="exact", extra={"facilitatorAddress": None})
    (verdict,) = a_policy(schemes=("exact",)).explain([offer], PAYEE)
    assert verdict.allowed


@pytest.mark.parametrize(
    "amount", [True, 0.5, float(CAP), "1", None, -1, pytest.param(10**5000, id="huge")]
)
def test_an_offer_made_by_hand_is_held_to_whole_atoms(amount: Any) -> None:
    (verdict,) = a_policy().explain([an_offer(amount=amount)], PAYEE)
    assert [refusal.field for refusal in verdict.refusals] == ["amount"]
    assert len(str(verdict)) < 1000


@pytest.mark.parametrize("seconds", [True, 60.0, "60", None, -1])
def test_an_offer_made_by_hand_is_held_to_whole_seconds(seconds: Any) -> None:
    (verdict,) = a_policy().explain([an_offer(max_timeout_seconds=seconds)], PAYEE)
    assert [refusal.field for refusal in verdict.refusals] == ["maxTimeoutSeconds"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", "''"),
        (None, "None"),
        (5, "5"),
        pytest.param(10**5000, "a number of 16610 bits", id="huge"),
        ("a\nINFO all is well", "a\\nINFO all is well"),
        ("‮", "\\u202e"),
        ({"a": [1]}, "an object"),
        ([[[]]], "a list"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_what_a_stranger_wrote_is_shown_on_one_short_line(value: object, text: str) -> None:
    assert shown(value).strip("'") == text.strip("'")


@pytest.mark.parametrize("name", ["recipients", "facilitators"])
@pytest.mark.parametrize("value", [str(PAYEE), b"", 5, ("gateway",), (5,), (PAYEE, None)])
def test_a_list_of_accounts_holds_accounts(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        PaymentRules(**{name: value})


def test_accounts_may_be_written_in_lower_case() -> None:
    rules = PaymentRules(recipients=[DEVNET.opg.lower()])  # type: ignore[list-item,arg-type]
    assert rules.recipients == (DEVNET.opg,)


@pytest.mark.parametrize("schemes", ["upto", (), ["upto"], ("upto", "subscription"), (5,), None])
def test_a_scheme_is_one_that_can_be_judged(schemes: Any) -> None:
    with pytest.raises(ConfigurationError, match="schemes"):
        PaymentRules(schemes=schemes)


def test_a_facilitator_that_changes_is_told_once() -> None:
    told = Told()
    told.pay(FACILITATOR)
    told.pay(FACILITATOR)
    assert told.changes == []
    told.pay(STRANGER)
    told.pay(STRANGER)
    assert told.changes == [FacilitatorChanged(PAYEE, TEE, FACILITATOR, STRANGER)]
    told.pay(FACILITATOR)
    assert told.changes[1:] == [FacilitatorChanged(PAYEE, TEE, STRANGER, FACILITATOR)]


def test_nodes_of_one_payee_have_facilitators_of_their_own() -> None:
    told = Told()
    told.pay(FACILITATOR, TEE)
    told.pay(STRANGER, ANOTHER_TEE)
    assert told.changes == []


def test_without_a_node_the_payee_is_remembered() -> None:
    told = Told()
    told.pay(FACILITATOR, None)
    told.pay(STRANGER, None, payee=STRANGER)
    assert told.changes == []
    told.pay(STRANGER, None)
    assert told.changes == [FacilitatorChanged(PAYEE, None, FACILITATOR, STRANGER)]


def test_exact_payments_name_no_facilitator() -> None:
    told = Told(schemes=("exact",))
    offer = an_offer(scheme="exact")
    told.policy.grant(offer, PAYEE, typed(offer))
    other = replace(offer, extra={**offer.extra, "facilitatorAddress": STRANGER})
    told.policy.grant(other, PAYEE, typed(other))
    assert told.changes == []


def test_nobody_needs_to_listen() -> None:
    policy = a_policy()
    for facilitator in (FACILITATOR, STRANGER):
        offer = an_offer(extra={"facilitatorAddress": facilitator})
        policy.grant(offer, PAYEE, typed(offer))
    with pytest.raises(PolicyRejectedError):
        policy.check(an_offer(amount=0), PAYEE)


def test_a_refused_offer_is_told_once_with_its_node() -> None:
    told = Told()
    with pytest.raises(PolicyRejectedError) as error:
        told.policy.check(an_offer(amount=0, pay_to=STRANGER), PAYEE, tee_id=TEE)
    ((refusal, tee_id),) = told.refusals
    assert (refusal.field, refusal.asked, refusal.allowed) == (
        error.value.field,
        error.value.asked,
        error.value.allowed,
    )
    assert tee_id == TEE


def test_every_offer_that_is_passed_over_is_told() -> None:
    told = Told()
    offers = [an_offer(network="eip155:1"), an_offer(amount=0), an_offer(), an_offer(pay_to="")]
    told.policy.choose(offers, PAYEE, tee_id=TEE)
    assert told.fields == ["network", "amount"]


def test_when_all_are_refused_each_is_told_once() -> None:
    told = Told()
    with pytest.raises(PolicyRejectedError):
        told.policy.choose([an_offer(network="eip155:1"), an_offer(amount=0)], PAYEE)
    assert told.fields == ["network", "amount"]


async def test_refused_typed_data_and_transactions_are_told_too() -> None:
    told = Told()
    for broken in (typed(an_offer(asset=STRANGER)), typed(an_offer())):
        with pytest.raises(PolicyRejectedError):
            await told.policy.check_typed_data(broken)
    with pytest.raises(PolicyRejectedError):
        told.policy.grant(an_offer(), PAYEE, typed(an_offer(amount=1)), tee_id=TEE)
    transfer = TxRequest(to=DEVNET.opg, data=OPG.transfer(STRANGER, 1).data)
    with pytest.raises(PolicyRejectedError):
        await told.policy.check_transaction(a_transaction(transfer))
    assert told.fields == [
        "message.permitted.token",
        "typed data",
        "message.permitted.amount",
        "transaction",
    ]
    assert [tee_id for _, tee_id in told.refusals] == [None, None, TEE, None]
