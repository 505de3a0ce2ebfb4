"""The rules of the registry (the protocol notes, section 5), on both of its layouts."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest

from opengradient_sdk.devnet.contracts import addresses, artifacts
from opengradient_sdk.types import Address, keccak256

from .chainkit import ADMIN, NOW, OPERATOR, ROOT, STRANGER, Anvil, RevertedError, vectors

pytestmark = pytest.mark.anvil

ATTESTED = vectors("attestation")["synthetic"]
DOCUMENT = base64.b64decode(ATTESTED["document_base64"])
KEY = bytes.fromhex(ATTESTED["signing_public_key_der_hex"])
CERTIFICATE = bytes.fromhex(ATTESTED["tls_certificate_der_hex"])
PCR_HASH = bytes.fromhex(ATTESTED["pcrHash"][2:])
PCRS = tuple(bytes.fromhex(ATTESTED["pcrs"][index]) for index in "012")
TEE_ID = keccak256(KEY)
PAYEE = Address("0x" + "9a" * 20)
ENDPOINT = "https://127.0.0.1:8443"
HEARTBEAT = vectors("registry_getActiveTEEs")["heartbeat"]
HEARTBEAT_SIGNATURE = base64.b64decode(HEARTBEAT["signature_base64"])
LLM_PROXY, VALIDATOR, UNKNOWN_TYPE = 0, 1, 9


@dataclass(frozen=True)
class Registry:
    """One of the two registries on the chain of a test."""

    chain: Anvil
    name: str
    address: Address

    def call(self, function: str, *arguments: Any) -> Any:
        return self.chain.call(self.address, self.name, function, *arguments)

    def send(self, sender: str, function: str, *arguments: Any) -> dict[str, Any]:
        return self.chain.send(sender, self.address, self.name, function, *arguments)

    def refusal(self, sender: str, function: str, *arguments: Any) -> str:
        with pytest.raises(RevertedError) as refused:
            self.send(sender, function, *arguments)
        return refused.value.name

    def events(self, receipt: dict[str, Any], event: str) -> list[dict[str, Any]]:
        return self.chain.events(receipt, self.name, event)

    def approve(self) -> dict[str, Any]:
        return self.send(ADMIN, "approvePCR", PCRS, "devnet-1", LLM_PROXY)

    def register(self) -> dict[str, Any]:
        return self.send(OPERATOR, "registerTEEWithAttestation", *registration())


def registration(**changes: Any) -> tuple[Any, ...]:
    members = {
        "document": DOCUMENT,
        "key": KEY,
        "certificate": CERTIFICATE,
        "payee": PAYEE,
        "endpoint": ENDPOINT,
        "tee_type": LLM_PROXY,
    }
    return tuple((members | changes).values())


@pytest.fixture(params=["TEERegistry", "TEERegistryApril"])
def registry(request: pytest.FixtureRequest, chain: Anvil) -> Registry:
    places = {
        "TEERegistry": addresses.TEE_REGISTRY,
        "TEERegistryApril": addresses.TEE_REGISTRY_APRIL,
    }
    return Registry(chain, request.param, places[request.param])


@pytest.fixture
def registered(registry: Registry) -> Registry:
    registry.approve()
    registry.register()
    return registry


def test_the_genesis_knows_its_types_and_roles(registry: Registry) -> None:
    ids, infos = registry.call("getTEETypes")
    assert (ids, [name for name, _ in infos]) == ((0, 1), ["LLMProxy", "Validator"])
    assert [registry.call("isValidTEEType", i) for i in range(3)] == [True, True, False]
    assert registry.call("heartbeatMaxAge") == 1800
    assert registry.call("awsRootCertificate").startswith(b"-----BEGIN CERTIFICATE-----\nAAA")
    roles = vectors("registry_getActiveTEEs")["roles"]
    for role, member in (("DEFAULT_ADMIN_ROLE", ADMIN), ("TEE_OPERATOR", OPERATOR)):
        assert "0x" + registry.call(role).hex() == roles[role]
        assert registry.call("hasRole", registry.call(role), member)
        assert not registry.call("hasRole", registry.call(role), STRANGER)


def test_registration_makes_an_active_tee(registered: Registry) -> None:
    [tee] = registered.call("getActiveTEEs", LLM_PROXY)
    assert tee[:4] == (OPERATOR.lower(), PAYEE.lower(), ENDPOINT, KEY)
    assert tee[4:10] == (CERTIFICATE, PCR_HASH, LLM_PROXY, True, NOW, NOW)
    assert tee == registered.call("getTEE", TEE_ID) == registered.call("tees", TEE_ID)
    assert registered.call("isTEEActive", TEE_ID)
    assert registered.call("isTEEEnabled", TEE_ID)
    assert registered.call("getTEEPublicKey", TEE_ID) == KEY
    assert registered.call("computeTEEId", KEY) == TEE_ID
    for ids in ("getEnabledTEEs", "getTEEsByType"):
        assert registered.call(ids, LLM_PROXY) == (TEE_ID,)
        assert registered.call(ids, VALIDATOR) == ()
    assert registered.call("getTEEsByOwner", OPERATOR) == (TEE_ID,)
    assert registered.call("getActiveTEEs", VALIDATOR) == ()


def test_registration_is_told(registry: Registry) -> None:
    [approved] = registry.events(registry.approve(), "PCRApproved")
    assert approved == {"pcrHash": PCR_HASH, "teeType": LLM_PROXY, "version": "devnet-1"}
    assert registry.call("pcrRecords", LLM_PROXY, PCR_HASH) == (True, LLM_PROXY, NOW, "devnet-1")
    assert registry.call("getApprovedPCRs") == ((PCR_HASH, LLM_PROXY),)
    assert registry.call("computePCRHash", PCRS) == PCR_HASH
    [told] = registry.events(registry.register(), "TEERegistered")
    assert told == {"teeId": TEE_ID, "owner": OPERATOR.lower(), "teeType": LLM_PROXY}


def test_only_the_july_layout_has_an_ohttp_key(registered: Registry) -> None:
    [tee] = registered.call("getActiveTEEs", LLM_PROXY)
    if registered.name == "TEERegistryApril":
        assert len(tee) == 10
        return
    assert tee[10] == (0, 0, 0, 0, b"", b"", 0)
    config = (1, 0x20, 1, 3, b"\x11" * 32, b"\x22" * 41, 0)
    assert registered.refusal(STRANGER, "devnetSetOhttpConfig", TEE_ID, config) == "NotTEEOwner"
    registered.send(OPERATOR, "devnetSetOhttpConfig", TEE_ID, config)
    [tee] = registered.call("getActiveTEEs", LLM_PROXY)
    assert tee[10] == (*config[:6], NOW)
    assert tee == registered.call("getTEE", TEE_ID) == registered.call("tees", TEE_ID)


UNREGISTRABLE = [
    ({"tee_type": UNKNOWN_TYPE}, "InvalidTEEType"),
    ({"tee_type": VALIDATOR}, "PCRNotApproved"),
    ({"document": b""}, "AttestationInvalid"),
    ({"document": DOCUMENT[:-1]}, "AttestationInvalid"),
    ({"document": DOCUMENT + b"\0"}, "AttestationInvalid"),
    ({"document": DOCUMENT + bytes(16 * 1024)}, "AttestationInvalid"),
    ({"certificate": CERTIFICATE + b"\0"}, "AttestationInvalid"),
    ({"key": KEY + b"\0"}, "AttestationInvalid"),
]


@pytest.mark.parametrize(("changes", "error"), UNREGISTRABLE)
def test_what_cannot_be_registered(registry: Registry, changes: dict[str, Any], error: str) -> None:
    registry.approve()
    call = registration(**changes)
    assert registry.refusal(OPERATOR, "registerTEEWithAttestation", *call) == error
    assert registry.call("getTEEsByType", LLM_PROXY) == ()


def test_registration_needs_an_approved_build_and_an_operator(registry: Registry) -> None:
    call = ("registerTEEWithAttestation", *registration())
    assert registry.refusal(OPERATOR, *call) == "PCRNotApproved"
    registry.approve()
    assert registry.refusal(STRANGER, *call) == "AccessControlUnauthorizedAccount"
    registry.send(OPERATOR, *call)
    assert registry.refusal(OPERATOR, *call) == "TEEAlreadyExists"


def test_an_unknown_tee(registry: Registry) -> None:
    unknown = bytes(32)
    assert registry.call("isTEEActive", unknown) is False
    assert registry.call("getTEEPublicKey", unknown) == b""
    assert registry.call("tees", unknown)[2] == ""
    for function in ("enableTEE", "disableTEE"):
        assert registry.refusal(ADMIN, function, unknown) == "TEENotFound"
    assert registry.refusal(STRANGER, "heartbeat", unknown, NOW, b"") == "TEENotFound"
    with pytest.raises(RevertedError) as refused:
        registry.call("getTEE", unknown)
    assert refused.value.name == "TEENotFound"


def test_without_heartbeats_a_tee_is_gone_after_half_an_hour(registered: Registry) -> None:
    registered.chain.set_time(NOW + 1800)
    assert registered.call("isTEEActive", TEE_ID)
    registered.chain.set_time(NOW + 1801)
    assert not registered.call("isTEEActive", TEE_ID)
    assert registered.call("getActiveTEEs", LLM_PROXY) == ()
    assert registered.call("getEnabledTEEs", LLM_PROXY) == (TEE_ID,)


def test_the_vectors_heartbeat_stores_the_blocks_time(registered: Registry) -> None:
    registered.chain.set_time(NOW + 100)
    calldata = bytes.fromhex(HEARTBEAT["calldata"][2:])
    receipt = registered.chain.send_raw(STRANGER, registered.address, calldata)
    assert registered.events(receipt, "HeartbeatReceived") == [
        {"teeId": TEE_ID, "timestamp": HEARTBEAT["timestamp"]}
    ]
    assert registered.call("getTEE", TEE_ID)[9] == NOW + 100


def test_heartbeats_that_do_not_count(registered: Registry) -> None:
    signed_at = HEARTBEAT["timestamp"]
    good = (TEE_ID, signed_at, HEARTBEAT_SIGNATURE)
    bad = bytes([HEARTBEAT_SIGNATURE[0] ^ 1]) + HEARTBEAT_SIGNATURE[1:]
    assert registered.refusal(STRANGER, "heartbeat", *good[:2], bad) == "HeartbeatSignatureInvalid"
    other_time = (TEE_ID, signed_at + 1, HEARTBEAT_SIGNATURE)
    assert registered.refusal(STRANGER, "heartbeat", *other_time) == "HeartbeatSignatureInvalid"
    ahead = (TEE_ID, NOW + 1, HEARTBEAT_SIGNATURE)
    assert registered.refusal(STRANGER, "heartbeat", *ahead) == "HeartbeatTimestampInFuture"
    registered.chain.set_time(signed_at + 1801)
    assert registered.refusal(STRANGER, "heartbeat", *good) == "HeartbeatTimestampTooOld"
    registered.send(OPERATOR, "disableTEE", TEE_ID)
    assert registered.refusal(STRANGER, "heartbeat", *good) == "TEENotEnabled"


def test_a_shorter_heartbeat_age_can_be_set(registered: Registry) -> None:
    assert (
        registered.refusal(OPERATOR, "setHeartbeatMaxAge", 10) == "AccessControlUnauthorizedAccount"
    )
    registered.send(ADMIN, "setHeartbeatMaxAge", 10)
    registered.chain.set_time(NOW + 11)
    assert not registered.call("isTEEActive", TEE_ID)


def test_revoking_a_build_disables_what_runs_it(registered: Registry) -> None:
    assert (
        registered.refusal(OPERATOR, "revokePCR", PCR_HASH, LLM_PROXY)
        == "AccessControlUnauthorizedAccount"
    )
    receipt = registered.send(ADMIN, "revokePCR", PCR_HASH, LLM_PROXY)
    assert registered.events(receipt, "TEEDisabled") == [{"teeId": TEE_ID}]
    assert registered.events(receipt, "PCRRevoked") == [{"pcrHash": PCR_HASH, "teeType": LLM_PROXY}]
    assert not registered.call("isTEEEnabled", TEE_ID)
    assert registered.call("getEnabledTEEs", LLM_PROXY) == ()
    assert registered.call("getApprovedPCRs") == ()
    assert registered.call("getTEEsByType", LLM_PROXY) == (TEE_ID,)
    assert registered.call("getTEEPublicKey", TEE_ID) == KEY
    assert registered.refusal(ADMIN, "revokePCR", PCR_HASH, LLM_PROXY) == "PCRNotApproved"


def test_enabling_checks_the_build_again(registered: Registry) -> None:
    registered.send(ADMIN, "revokePCR", PCR_HASH, LLM_PROXY)
    assert registered.refusal(OPERATOR, "enableTEE", TEE_ID) == "PCRNotApproved"
    registered.approve()
    assert registered.call("getApprovedPCRs") == ((PCR_HASH, LLM_PROXY),)
    receipt = registered.send(OPERATOR, "enableTEE", TEE_ID)
    assert registered.events(receipt, "TEEEnabled") == [{"teeId": TEE_ID}]
    assert registered.call("isTEEActive", TEE_ID)


def test_the_owner_and_the_admin_may_disable(registered: Registry) -> None:
    assert registered.refusal(STRANGER, "disableTEE", TEE_ID) == "NotTEEOwner"
    receipt = registered.send(OPERATOR, "disableTEE", TEE_ID)
    assert registered.events(receipt, "TEEDisabled") == [{"teeId": TEE_ID}]
    assert registered.call("getActiveTEEs", LLM_PROXY) == ()
    assert registered.refusal(OPERATOR, "disableTEE", TEE_ID) == "TEENotEnabled"
    registered.send(ADMIN, "enableTEE", TEE_ID)
    assert registered.call("isTEEActive", TEE_ID)


def test_an_owner_who_lost_the_role_is_a_stranger(registered: Registry) -> None:
    role = registered.call("TEE_OPERATOR")
    registered.send(ADMIN, "revokeRole", role, OPERATOR)
    assert registered.refusal(OPERATOR, "disableTEE", TEE_ID) == "NotTEEOwner"


def test_types_and_builds_are_added_once_and_by_the_admin(registry: Registry) -> None:
    receipt = registry.send(ADMIN, "addTEEType", 7, "Notary")
    assert registry.events(receipt, "TEETypeAdded") == [{"typeId": 7, "name": "Notary"}]
    assert registry.call("teeTypes", 7) == ("Notary", NOW)
    assert registry.call("getTEETypes")[0] == (0, 1, 7)
    assert registry.refusal(ADMIN, "addTEEType", 7, "Again") == "TEETypeExists"
    registry.approve()
    again = ("approvePCR", PCRS, "devnet-2", LLM_PROXY)
    assert registry.refusal(ADMIN, *again) == "PCRAlreadyExists"
    unknown_type = ("approvePCR", PCRS, "devnet-2", UNKNOWN_TYPE)
    assert registry.refusal(ADMIN, *unknown_type) == "InvalidTEEType"
    for call in (("addTEEType", 8, "No"), again, ("setAWSRootCertificate", b"x")):
        assert registry.refusal(STRANGER, *call) == "AccessControlUnauthorizedAccount"


def test_the_root_certificate_can_be_replaced(registry: Registry) -> None:
    receipt = registry.send(ADMIN, "setAWSRootCertificate", b"short")
    assert registry.events(receipt, "AWSCertificateUpdated") == [{"certHash": keccak256(b"short")}]
    assert registry.call("awsRootCertificate") == b"short"


def test_return_data_is_laid_out_as_in_the_vectors(registered: Registry) -> None:
    """Another encoder's types decode our bytes, and encode them back to the same bytes."""
    from eth_abi.abi import decode, encode

    layout = "with_ohttpConfig" if registered.name == "TEERegistry" else "without_ohttpConfig"
    cases = vectors("registry_getActiveTEEs")["cases"]
    kind = next(case["tuple_type"] for case in cases if case["abi"] == layout)
    calldata = bytes.fromhex(vectors("registry_getActiveTEEs")["call"]["data"][2:])
    raw = registered.chain.call_raw(registered.address, calldata)
    assert encode([kind], decode([kind], raw)) == raw


def test_the_mock_says_what_it_is(chain: Anvil) -> None:
    assert chain.call(addresses.TEE_VERIFIER, "TEEVerifier", "IS_MOCK_ATTESTATION") is True


MOCK_DISAGREES = {
    # wrong signature, chain, time or nonce: the mock does not look at them
    "pcr0-changed": True,
    "nonce-changed": True,
    "nonce-null": True,
    "stale-301s": True,
    "future-61s": True,
    "other-root (verify against the AWS root)": True,
    "pcr2-missing": False,
    "user_data-tls-hash-changed": False,
    "user_data-key-hash-changed": False,
    "user_data-short": False,
}


@pytest.mark.parametrize("name", MOCK_DISAGREES)
def test_the_mock_checks_bindings_and_nothing_else(chain: Anvil, name: str) -> None:
    negatives = {case["name"]: case for case in vectors("attestation")["negative"]}
    document = base64.b64decode(negatives[name]["document_base64"])
    valid, pcr_hash = chain.call(
        addresses.TEE_VERIFIER, "TEEVerifier", "verifyAttestation", document, KEY, CERTIFICATE, b""
    )
    assert valid is MOCK_DISAGREES[name]
    assert (pcr_hash != bytes(32)) is valid


SHARED = ROOT.parent / "shared" / "vectors" / "attestation.json"


@pytest.mark.skipif(
    not SHARED.exists(), reason="the genuine AWS document is not part of this repository"
)
def test_the_mock_reads_a_genuine_aws_document(chain: Anvil) -> None:
    real = json.loads(SHARED.read_text())["real"]
    document = base64.b64decode(real["document_base64"])
    read = chain.call(addresses.TEE_VERIFIER, "TEEVerifier", "readUnverified", document)
    expected = (real["pcrHash"][2:], real["tls_cert_sha256"], real["signing_key_sha256"])
    assert tuple(value.hex() for value in read) == expected


def test_selectors_topics_and_errors_are_those_of_the_vectors() -> None:
    known = vectors("registry_getActiveTEEs")
    contracts = [artifacts.load(name) for name in artifacts.NAMES]
    entries = [entry for contract in contracts for entry in contract.abi if "name" in entry]
    ours = {artifacts.signature(entry): entry["type"] for entry in entries}
    for kind, section, length in (
        ("function", "selectors", 4),
        ("event", "event_topics", 32),
        ("error", "error_selectors", 4),
    ):
        for text, value in known[section].items():
            assert ours.get(text) == kind, text
            assert "0x" + keccak256(text.encode())[:length].hex() == value
