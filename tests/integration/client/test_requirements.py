"""``require=`` as a policy: decided before anything is paid, judged when the answer is there."""

from __future__ import annotations

import pytest

from opengradient_sdk import Assurance, Devnet
from opengradient_sdk.errors import (
    AssuranceError,
    AttestationError,
    ConfigurationError,
    NoNodeAvailableError,
    OutputHashError,
    Spent,
)
from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import (
    Above,
    AllOf,
    AnyOf,
    AtLeast,
    Conclusion,
    Covered,
    PcrIn,
    Sample,
    UnsafeNoVerification,
)

from .kit import CustomerFactory

STRANGE = Bytes32(b"\x07" * 32)
REGISTERED, ATTESTED = Assurance.REGISTERED, Assurance.ATTESTED


async def test_a_drawn_call_is_attested_before_it_is_paid(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(require=Sample(1.0, then=ATTESTED), trust=net.trust)
    assert (await one.ask()).receipt.assurance is ATTESTED
    statistics = one.client.verification.statistics()
    assert (statistics.answers, statistics.by_assurance[ATTESTED]) == (1, 1)


async def test_a_call_that_is_not_drawn_is_not(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer(require=Sample(0.0, then=ATTESTED), trust=net.trust)
    assert (await one.ask()).receipt.assurance is REGISTERED
    conclusion = one.client.verification.statistics().conclusion(0.01)
    assert conclusion is Conclusion.INCONCLUSIVE


async def test_a_drawn_node_that_proves_nothing_is_not_paid(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(require=Sample(1.0, then=ATTESTED), trust=net.trust)
    net.nodes[0].pcrs = dict.fromkeys(range(3), b"\t" * 48)
    try:
        with pytest.raises(AttestationError):
            await one.ask()
    finally:
        from opengradient_sdk.devnet.node.attestation import devnet_pcrs
        from opengradient_sdk.devnet.registrar import BUILD

        net.nodes[0].pcrs = devnet_pcrs(BUILD)
    await one.assert_nothing_happened()
    assert one.client.verification.statistics().conclusion(0.01) is Conclusion.NOTICED


async def test_what_costs_much_is_attested(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer(require=Above("0.00001 OPG", then=ATTESTED), trust=net.trust)
    assert (await one.ask()).receipt.assurance is ATTESTED
    two = await customer(require=Above("1 OPG", then=ATTESTED), trust=net.trust)
    await two.client.chat.estimate(**two.question())  # from here on the price is known
    assert (await two.ask()).receipt.assurance is REGISTERED
    three = await customer(require=Above("1 OPG", then=ATTESTED), trust=net.trust)
    assert (await three.ask()).receipt.assurance is ATTESTED  # unknown counts as above


async def test_nodes_of_other_builds_are_not_asked(
    customer: CustomerFactory,
) -> None:
    one = await customer(require=PcrIn(STRANGE))
    with pytest.raises(NoNodeAvailableError):
        await one.ask()
    await one.assert_nothing_happened()


async def test_either_part_will_do(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer(require=AnyOf(PcrIn(STRANGE), AtLeast(REGISTERED)), trust=net.trust)
    assert (await one.ask()).receipt.assurance is REGISTERED


async def test_strict_mode_refuses_what_no_proof_covers(customer: CustomerFactory) -> None:
    one = await customer(require=AllOf(REGISTERED, Covered()))
    await one.ask()
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    with pytest.raises(AssuranceError, match="tool_choice") as caught:
        await one.ask(tools=[tool], tool_choice="auto")
    assert caught.value.spent is Spent.YES
    assert caught.value.receipt_id is not None


async def test_unsafe_mode_hands_out_what_failed_and_says_so(
    net: Devnet, customer: CustomerFactory
) -> None:
    strict = await customer()
    unsafe = await customer(require=UnsafeNoVerification())
    net.nodes[0].faults.wrong_output_hash = True
    try:
        reply = await unsafe.ask()
        with pytest.raises(OutputHashError):
            await strict.ask()
    finally:
        net.nodes[0].faults.wrong_output_hash = False
    assert reply.receipt.assurance is Assurance.UNVERIFIED
    assert [check.name for check in reply.receipt.evidence.failed] == ["output_hash"]
    assert unsafe.client.verification.statistics().failed == 1


@pytest.mark.parametrize("require", [2, "ATTESTED", None, Sample])
async def test_what_is_no_policy(net: Devnet, customer: CustomerFactory, require: object) -> None:
    with pytest.raises(ConfigurationError, match="neither a level of assurance nor a policy"):
        await customer(require=require)


async def test_attesting_needs_builds_that_are_accepted(customer: CustomerFactory) -> None:
    with pytest.raises(ConfigurationError, match="needs the builds that you accept"):
        await customer(require=AnyOf(REGISTERED, Sample(0.1, then=ATTESTED)))
