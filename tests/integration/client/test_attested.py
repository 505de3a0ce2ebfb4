"""ATTESTED: the hardware attestation is verified before anything is paid."""

import pytest

from opengradient_sdk import Assurance, AsyncOpenGradient, Bytes32, CheckStatus, Devnet, Trust
from opengradient_sdk.errors import (
    AssuranceError,
    AttestationError,
    ConfigurationError,
    Spent,
)


@pytest.fixture(scope="module")
async def net():
    async with Devnet() as net:
        yield net


def client(net: Devnet, trust: Trust | None) -> AsyncOpenGradient:
    return AsyncOpenGradient(
        signer=net.accounts[3], network=net.profile, require=Assurance.ATTESTED, trust=trust
    )


async def test_a_verified_document_lifts_the_answer_to_attested(net: Devnet) -> None:
    before = net.nodes[0].requests.copy()
    async with client(net, net.trust) as og:
        replies = [await og.chat.create(model="gpt-5", messages="hi", max_tokens=9) for _ in "ab"]
    assert {reply.receipt.assurance for reply in replies} == {Assurance.ATTESTED}
    check = replies[0].receipt.evidence.get("attestation")
    assert check is not None
    assert check.status is CheckStatus.PASSED
    asked = net.nodes[0].requests - before
    assert asked["/enclave/attestation"] == 1  # once per node, key and certificate


async def test_a_document_under_another_root_costs_nothing(net: Devnet) -> None:
    before = net.nodes[0].requests.copy()
    trust = Trust(measurements=net.trust.measurements)  # the AWS root, which made none of this
    async with client(net, trust) as og:
        with pytest.raises(AttestationError) as caught:
            await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)
        assert og.payments.unresolved == ()
    assert caught.value.spent is Spent.NO
    assert (net.nodes[0].requests - before)["/v1/chat/completions"] == 0


async def test_a_build_that_is_not_accepted_is_not_asked(net: Devnet) -> None:
    trust = Trust(
        measurements=frozenset({Bytes32(bytes(32))}), attestation_root=net.trust.attestation_root
    )
    async with client(net, trust) as og:
        with pytest.raises(Exception, match="no node can be used"):
            await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)


def test_attested_needs_to_be_told_which_builds_are_accepted(net: Devnet) -> None:
    with pytest.raises(ConfigurationError, match="ATTESTED"):
        client(net, None)


async def test_an_answer_is_kept_back_when_less_is_proven_than_required(net: Devnet) -> None:
    """The last gate: it holds whatever was skipped before it."""

    async def skipped(connection: object) -> None:
        return None

    async with client(net, net.trust) as og:
        assert og._work is not None
        og._work.core.attesting.prove = skipped  # type: ignore[method-assign]
        with pytest.raises(AssuranceError, match="REGISTERED, required is ATTESTED") as caught:
            await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)
        (receipt,) = await og.receipts.list()
    assert caught.value.spent is Spent.YES
    assert caught.value.receipt_id == receipt.id
    assert receipt.assurance is Assurance.REGISTERED
