"""What a report says in plain sentences of a document: what it proves, what not, and what would."""

from __future__ import annotations

from dataclasses import replace

from opengradient_sdk.ledger.bundle import verify_bundle
from opengradient_sdk.verification import Assurance, Check, CheckStatus

from .maker import Trusting, a_bundle, hypervisor, trust

NEEDS_THE_CHAIN = "which only the chain can say: verify with --online"


def test_a_good_document_is_no_rung_and_the_reader_is_told_what_is_missing() -> None:
    report = verify_bundle(a_bundle(attested=True), trust())

    (sentence,) = [line for line in report.explain().splitlines() if "document proves" in line]

    assert report.assurance is Assurance.SIGNED
    assert sentence.startswith("The attestation document proves that an enclave of a build that")
    assert sentence.endswith(
        f"it does not prove that the registry listed the node at the time, {NEEDS_THE_CHAIN}."
    )


def test_a_build_that_nobody_named_as_accepted_is_only_the_one_it_names() -> None:
    anybody = Trusting(frozenset(), hypervisor().root.pem)

    text = verify_bundle(a_bundle(attested=True), anybody).explain()

    assert "an enclave of the build that it names held the signing key" in text
    assert "that you accept" not in text


def test_once_the_chain_has_spoken_nothing_is_missing() -> None:
    offline = verify_bundle(a_bundle(attested=True), trust())
    listed = offline.evidence.with_(Check("registry", CheckStatus.PASSED, "seen in block 7"))
    online = replace(offline, evidence=listed)

    assert online.assurance is Assurance.ATTESTED
    assert "and the chain shows that the registry listed the node." in online.explain()
    assert NEEDS_THE_CHAIN not in online.explain()


def test_without_a_document_nothing_is_said_of_one() -> None:
    assert "attestation document proves" not in verify_bundle(a_bundle(), trust()).explain()
