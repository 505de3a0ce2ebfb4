"""ATTESTED: the hardware attestation is verified before anything is paid."""

from dataclasses import replace

import pytest

from opengradient_sdk import Assurance, AsyncOpenGradient, Bytes32, CheckStatus, Devnet, Trust
from opengradient_sdk.errors import (
    AssuranceError,
    AttestationError,
    ConfigurationError,
    Spent,
)
from opengradient_sdk.ledger import Receipt
from opengradient_sdk.verification.evidence import CHECKS


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
        with pytest.raises(AssuranceError, match="the answer is REGISTERED") as caught:
            await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)
        assert caught.value.receipt_id is not None
        receipt = await og.receipts.get(caught.value.receipt_id)
    assert caught.value.spent is Spent.YES
    assert receipt.assurance is Assurance.REGISTERED


async def attested_later(og: AsyncOpenGradient, receipt: Receipt) -> Receipt:
    """What waiting for a receipt's attestation does."""
    assert og._work is not None
    assert receipt.registered is not None
    assert receipt.signed is not None
    core = og._work.core
    check, document = await core.attesting.prove_later(
        core.connection(receipt.registered.record), signed_at=receipt.signed.timestamp
    )
    return replace(receipt, evidence=receipt.evidence.with_(check), attested=document)


async def test_an_answer_that_is_here_is_attested_later(net: Devnet) -> None:
    async with AsyncOpenGradient(
        signer=net.accounts[3], network=net.profile, trust=net.trust
    ) as og:
        receipt = (await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)).receipt
        assert receipt.assurance is Assurance.REGISTERED
        assert receipt.attested is None
        await net.advance(seconds=3000)
        later = await attested_later(og, receipt)
    assert later.assurance is Assurance.ATTESTED
    check = later.evidence.get("attestation")
    assert check is not None
    assert "s after the answer, by the same key" in check.reason
    assert later.attested is not None
    assert later.attested.nonce.hex() in check.source


async def test_a_proof_older_than_an_hour_is_asked_for_again(net: Devnet) -> None:
    before = net.nodes[0].requests.copy()
    async with client(net, net.trust) as og:
        first = (await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)).receipt
        await net.advance(seconds=3600)
        second = (await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)).receipt
    assert (net.nodes[0].requests - before)["/enclave/attestation"] == 2
    assert first.attested is not None
    assert second.attested is not None
    assert second.attested.verified_at >= first.attested.verified_at + 3600
    assert second.assurance is Assurance.ATTESTED


async def test_every_check_of_a_receipt_is_in_the_list_and_names_its_source(net: Devnet) -> None:
    async with client(net, net.trust) as og:
        receipt = (await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)).receipt
    assert {check.name for check in receipt.evidence.checks} <= set(CHECKS)
    assert all(check.source for check in receipt.evidence.checks)
    sources = {check.name: check.source for check in receipt.evidence.checks}
    assert str(receipt.tee_id) in sources["signature"]
    assert receipt.signed is not None
    assert str(receipt.signed.timestamp) in sources["freshness"]
