"""The settlement relay and the inference verifiers (the protocol notes, section 6.4)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.types import keccak256

from .chainkit import ADMIN, OPERATOR, RELAYER, STRANGER, Anvil, RevertedError, vectors
from .test_contracts_registry import LLM_PROXY, PCRS, TEE_ID, registration

pytestmark = pytest.mark.anvil

RELAY = (addresses.SETTLEMENT_RELAY, "InferenceSettlementRelay")
VERIFIER = (addresses.TEE_INFERENCE_VERIFIER, "TEEInferenceVerifier")
BATCH_VERIFIER = (addresses.TEE_BATCH_VERIFIER, "TEEBatchVerifier")
REGISTRY = (addresses.TEE_REGISTRY, "TEERegistry")
ANSWER = vectors("response_verify")["responses"][0]["response"]
SIGNED_AT = int(ANSWER["tee_timestamp"])
STATEMENT = (
    TEE_ID,
    bytes.fromhex(ANSWER["tee_request_hash"]),
    bytes.fromhex(ANSWER["tee_output_hash"]),
    SIGNED_AT,
)
SIGNATURE = base64.b64decode(ANSWER["tee_signature"])
BLOB = b"M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk"


@pytest.fixture
def settled(chain: Anvil) -> Anvil:
    """A chain at the moment of the vector's answer, on which its TEE is registered."""
    chain.set_time(SIGNED_AT)
    chain.send(ADMIN, *REGISTRY, "approvePCR", PCRS, "devnet-1", LLM_PROXY)
    chain.send(OPERATOR, *REGISTRY, "registerTEEWithAttestation", *registration())
    return chain


def verified(chain: Anvil, *statement: Any) -> bool:
    return bool(chain.call(*VERIFIER, "verifySignature", *statement))


def test_the_vectors_answer_verifies(settled: Anvil) -> None:
    assert verified(settled, *STATEMENT, SIGNATURE)
    assert settled.call(*VERIFIER, "computeMessageHash", *STATEMENT[1:]) == keccak256(
        STATEMENT[1] + STATEMENT[2] + SIGNED_AT.to_bytes(32, "big")
    )


def test_another_answer_does_not(settled: Anvil) -> None:
    tee_id, request_hash, output_hash, signed_at = STATEMENT
    assert not verified(settled, bytes(32), request_hash, output_hash, signed_at, SIGNATURE)
    assert not verified(settled, tee_id, output_hash, request_hash, signed_at, SIGNATURE)
    assert not verified(settled, tee_id, request_hash, output_hash, signed_at + 1, SIGNATURE)
    assert not verified(settled, tee_id, request_hash, output_hash, 2**256 - 1, SIGNATURE)
    assert not verified(settled, *STATEMENT, SIGNATURE[::-1])


def test_an_answer_counts_for_an_hour(settled: Anvil) -> None:
    settled.set_time(SIGNED_AT + 3600)
    assert verified(settled, *STATEMENT, SIGNATURE)
    settled.set_time(SIGNED_AT + 3601)
    assert not verified(settled, *STATEMENT, SIGNATURE)
    assert settled.call(*BATCH_VERIFIER, "verifySignatureNoTimestamp", *STATEMENT, SIGNATURE)


def test_enabled_is_enough_and_needed(settled: Anvil) -> None:
    settled.set_time(SIGNED_AT + 2000)  # no heartbeat for more than half an hour
    assert not settled.call(*REGISTRY, "isTEEActive", TEE_ID)
    assert verified(settled, *STATEMENT, SIGNATURE)
    settled.send(OPERATOR, *REGISTRY, "disableTEE", TEE_ID)
    assert not verified(settled, *STATEMENT, SIGNATURE)
    assert not settled.call(*BATCH_VERIFIER, "verifySignatureNoTimestamp", *STATEMENT, SIGNATURE)


def test_an_individual_settlement_is_verified_and_told(settled: Anvil) -> None:
    arguments = (*STATEMENT, STRANGER, BLOB, SIGNATURE)
    receipt = settled.send(RELAYER, *RELAY, "settleIndividual", *arguments)
    assert settled.events(receipt, RELAY[1], "IndividualSettlement") == [
        {
            "teeId": TEE_ID,
            "ethAddress": STRANGER,
            "inputHash": STATEMENT[1],
            "outputHash": STATEMENT[2],
            "timestamp": SIGNED_AT,
            "walrusBlobId": BLOB,
            "signature": SIGNATURE,
        }
    ]
    with pytest.raises(RevertedError) as refused:
        settled.send(RELAYER, *RELAY, "settleIndividual", *arguments[:-1], SIGNATURE[::-1])
    assert refused.value.arguments == ("Invalid signature",)


def test_a_batch_is_what_the_relayer_says(chain: Anvil) -> None:
    root = keccak256(b"root")
    receipt = chain.send(RELAYER, *RELAY, "batchSettle", root, 20, BLOB)
    assert chain.events(receipt, RELAY[1], "BatchSettlement") == [
        {"merkleRoot": root, "batchSize": 20, "walrusBlobId": BLOB}
    ]


def test_only_relayers_settle(chain: Anvil) -> None:
    role = chain.call(*RELAY, "SETTLEMENT_RELAY_ROLE")
    for call in (
        ("batchSettle", bytes(32), 1, BLOB),
        ("settleIndividual", *STATEMENT, STRANGER, BLOB, SIGNATURE),
    ):
        with pytest.raises(RevertedError) as refused:
            chain.send(STRANGER, *RELAY, *call)
        assert refused.value.name == "AccessControlUnauthorizedAccount"
        assert refused.value.arguments == (STRANGER, role)
    assert chain.send(ADMIN, *RELAY, "batchSettle", bytes(32), 1, BLOB)["status"] == "0x1"


def test_the_contracts_know_one_another(chain: Anvil) -> None:
    verifier = addresses.TEE_INFERENCE_VERIFIER
    assert chain.call(*RELAY, "SETTLEMENT_CONTRACT") == verifier.lower()
    assert chain.call(*VERIFIER, "registry") == addresses.TEE_REGISTRY.lower()
    receipt = chain.send(ADMIN, *VERIFIER, "setRegistry", addresses.TEE_REGISTRY_APRIL)
    [told] = chain.events(receipt, VERIFIER[1], "RegistryUpdated")
    assert told["newRegistry"] == addresses.TEE_REGISTRY_APRIL.lower()
    for sender, registry, error in (
        (ADMIN, "0x" + "00" * 20, "InvalidRegistryAddress"),
        (STRANGER, addresses.TEE_REGISTRY, "AccessControlUnauthorizedAccount"),
    ):
        with pytest.raises(RevertedError) as refused:
            chain.send(sender, *VERIFIER, "setRegistry", registry)
        assert refused.value.name == error


@pytest.mark.parametrize("case", vectors("merkle_batch")["cases"], ids=lambda case: case["name"])
def test_the_vectors_proofs_hold_for_their_leaves(chain: Anvil, case: dict[str, Any]) -> None:
    root = bytes.fromhex(case["root"][2:])
    for leaf in case["leaves"]:
        proof = [bytes.fromhex(node[2:]) for node in leaf["proof"]]
        hashed = bytes.fromhex(leaf["leaf_hash"][2:])
        assert chain.call(*RELAY, "verifyProof", proof, root, hashed)
        assert not chain.call(*RELAY, "verifyProof", proof, root, keccak256(hashed))
