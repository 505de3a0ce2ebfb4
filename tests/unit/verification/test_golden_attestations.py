"""Golden corruptions of attestation documents: one honest document, spoilt in one place.

Every case says which step refuses it and in which words.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from opengradient_sdk.errors import AttestationError
from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import (
    CheckStatus,
    Evidence,
    attestation_from_base64,
    pcr_hash_of,
    tee_id_of,
    user_data_of,
    verify_attestation,
)
from opengradient_sdk.verification._cbor import decode, encode
from opengradient_sdk.verification._nitro_chain import clear_caches

from .attestation_spoiler import (
    ES384,
    Made,
    altered,
    bit,
    enveloped,
    leaf,
    maker,
    resigned,
    resigned_without,
    signature,
    signed_by,
    stranger,
)
from .conftest import load
from .nitro_maker import (
    CA,
    NO_CA,
    NONCE,
    NOW,
    PCRS,
    SIGNING_KEY,
    TLS_CERTIFICATE,
    Authority,
    Hypervisor,
    key_usage,
)

SHARED = Path(__file__).parents[4] / "shared" / "vectors" / "attestation.json"
BUILD = pcr_hash_of(PCRS[0], PCRS[1], PCRS[2])
USER_DATA = user_data_of(TLS_CERTIFICATE, SIGNING_KEY)
DEBUG = dict.fromkeys((0, 1, 2), bytes(48))


def verify(document: bytes, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "tls_certificate_der": TLS_CERTIFICATE,
        "signing_key_der": SIGNING_KEY,
        "now": NOW,
        "root": maker().root.der,
        "nonce": NONCE,
        "expected_pcr_hashes": {BUILD},
    }
    return verify_attestation(document, **(arguments | changes))


CASES: dict[str, tuple[Made, str, str]] = {
    # format: every member of the payload
    "module-missing": (resigned_without("module_id"), "format", "no module_id"),
    "digest-missing": (resigned_without("digest"), "format", "digest"),
    "digest-sha256": (resigned(digest="SHA256"), "format", "digest is not SHA384"),
    "time-missing": (resigned_without("timestamp"), "format", "timestamp in milliseconds"),
    "time-text": (resigned(timestamp=str(NOW)), "format", "timestamp in milliseconds"),
    "pcrs-missing": (resigned_without("pcrs"), "format", "no map of PCRs"),
    "pcr-short": (resigned(pcrs=PCRS | {0: b"\x01" * 32}), "format", "48 bytes under a number"),
    "leaf-missing": (resigned_without("certificate"), "format", "not a byte string"),
    "bundle-missing": (resigned_without("cabundle"), "format", "no bundle"),
    "user-data-text": (resigned(user_data="data"), "format", "neither bytes nor null"),
    "nonce-number": (resigned(nonce=5), "format", "neither bytes nor null"),
    "public-key-text": (resigned(public_key="key"), "format", "neither bytes nor null"),
    # format: the envelope
    "header-es256": (enveloped(0, encode({1: -7})), "format", "not those of ES384"),
    "header-with-more": (enveloped(0, encode({1: -35, 4: b"k"})), "format", "not those of ES384"),
    "header-unprotected": (enveloped(1, {1: -35}), "format", "not those of ES384"),
    "no-payload": (enveloped(2, None), "format", "not byte strings"),
    "three-parts": (lambda: encode([ES384, {}, b""]), "format", "array of four"),
    "a-byte-more": (lambda: maker().document() + b"\0", "format", "followed by 1 bytes"),
    # the signature of the document
    "signature-95-bytes": (signature(lambda raw: raw[:-1]), "cose_signature", "95 bytes"),
    "signature-97-bytes": (signature(lambda raw: raw + b"\0"), "cose_signature", "97 bytes"),
    "signature-first-bit": (signature(bit(0)), "cose_signature", "not signed by"),
    "signature-last-bit": (signature(bit(-1)), "cose_signature", "not signed by"),
    "signature-turned-round": (
        signature(lambda raw: raw[48:] + raw[:48]),
        "cose_signature",
        "not signed by",
    ),
    "signature-zeros": (signature(lambda _: bytes(96)), "cose_signature", "not signed by"),
    "signed-by-the-zone": (signed_by(lambda: maker().zone), "cose_signature", "not signed by"),
    "signed-by-a-stranger": (signed_by(stranger), "cose_signature", "not signed by"),
    "signed-with-sha256": (signed_by(leaf, SHA256()), "cose_signature", "not signed by"),
    "signed-for-another-use": (
        signed_by(leaf, None, "CounterSignature", ES384, b""),
        "cose_signature",
        "not signed by",
    ),
    "signed-with-more-data": (
        signed_by(leaf, None, "Signature1", ES384, b"more"),
        "cose_signature",
        "not signed by",
    ),
    "altered-module": (altered(module_id="i-other"), "cose_signature", "not signed by"),
    "altered-time": (altered(timestamp=NOW * 1000 + 1), "cose_signature", "not signed by"),
    "altered-pcr": (altered(pcrs=PCRS | {0: b"\x09" * 48}), "cose_signature", "not signed by"),
    "altered-user-data": (altered(user_data=bytes(68)), "cose_signature", "not signed by"),
    "altered-nonce": (altered(nonce=bytes(20)), "cose_signature", "not signed by"),
    "altered-public-key": (altered(public_key=b"key"), "cose_signature", "not signed by"),
    # the order of certificates
    "bundle-turned-round": (
        lambda: maker().document(cabundle=[maker().zone.der, maker().root.der]),
        "certificate_chain",
        "did not issue",
    ),
    "bundle-without-zone": (
        lambda: maker().document(cabundle=[maker().root.der]),
        "certificate_chain",
        "'CN=root' did not issue 'CN=leaf'",
    ),
    "bundle-of-the-leaf": (
        lambda: maker().document(cabundle=[maker().root.der, maker().leaf.der]),
        "certificate_chain",
        "did not issue",
    ),
    "leaf-that-is-the-zone": (
        lambda: maker().document(certificate=maker().zone.der),
        "certificate_chain",
        "did not issue",
    ),
    # nonce, build, bindings
    "nonce-of-another": (resigned(nonce=bytes(20)), "nonce", "not made for this question"),
    "nonce-cut": (resigned(nonce=NONCE[:-1]), "nonce", "not made for this question"),
    "nonce-null": (resigned(nonce=None), "nonce", "not made for this question"),
    "nonce-missing": (resigned_without("nonce"), "nonce", "not made for this question"),
    "pcr0-other": (resigned(pcrs=PCRS | {0: b"\x09" * 48}), "pcr", "not an accepted one"),
    "pcr1-other": (resigned(pcrs=PCRS | {1: b"\x09" * 48}), "pcr", "not an accepted one"),
    "pcr2-other": (resigned(pcrs=PCRS | {2: b"\x09" * 48}), "pcr", "not an accepted one"),
    "pcrs-swapped": (
        resigned(pcrs=PCRS | {1: PCRS[2], 2: PCRS[1]}),
        "pcr",
        "not an accepted one",
    ),
    "pcr0-zeros": (resigned(pcrs=PCRS | {0: bytes(48)}), "pcr", "debug mode"),
    "pcr1-zeros": (resigned(pcrs=PCRS | {1: bytes(48)}), "pcr", "debug mode"),
    "pcr2-zeros": (resigned(pcrs=PCRS | {2: bytes(48)}), "pcr", "debug mode"),
    "debug-mode": (resigned(pcrs=PCRS | DEBUG), "pcr", "debug mode"),
    "pcr2-missing": (resigned(pcrs={0: PCRS[0], 1: PCRS[1]}), "pcr", "missing"),
    "user-data-missing": (resigned_without("user_data"), "user_data", "0 bytes instead of 68"),
    "user-data-67": (resigned(user_data=USER_DATA[:-1]), "user_data", "67 bytes"),
    "user-data-69": (resigned(user_data=USER_DATA + b"\0"), "user_data", "69 bytes"),
    "tls-prefix": (resigned(user_data=b"\x11" + USER_DATA[1:]), "tls_binding", "TLS certificate"),
    "tls-length": (
        resigned(user_data=b"\x12\x21" + USER_DATA[2:]),
        "tls_binding",
        "TLS certificate",
    ),
    "tls-other": (
        resigned(user_data=user_data_of(b"other", SIGNING_KEY)),
        "tls_binding",
        "TLS certificate",
    ),
    "key-prefix": (
        resigned(user_data=USER_DATA[:34] + b"\x11" + USER_DATA[35:]),
        "key_binding",
        "signing key",
    ),
    "key-other": (
        resigned(user_data=user_data_of(TLS_CERTIFICATE, b"other")),
        "key_binding",
        "signing key",
    ),
    "halves-swapped": (
        resigned(user_data=USER_DATA[34:] + USER_DATA[:34]),
        "tls_binding",
        "TLS certificate",
    ),
    # time
    "made-301-s-ago": (resigned(timestamp=(NOW - 301) * 1000), "freshness", "301 s old"),
    "made-61-s-ahead": (resigned(timestamp=(NOW + 61) * 1000), "freshness", "61 s in the future"),
}

KEY_USAGE = (CA, key_usage(digital_signature=True))
CHAINS: dict[str, tuple[dict[str, Any], str]] = {
    "root-expired": ({"root": {"valid_to": NOW - 1}}, "'CN=root' is not valid at"),
    "zone-expired": ({"zone": {"valid_to": NOW - 1}}, "'CN=zone' is not valid at"),
    "leaf-not-yet": ({"leaf": {"valid_from": NOW + 1}}, "'CN=leaf' is not valid at"),
    "zone-no-authority": ({"zone": {"extensions": (NO_CA,)}}, "'CN=zone' may not issue here"),
    "root-no-authority": ({"root": {"extensions": (NO_CA,)}}, "'CN=root' may not issue here"),
    "root-for-other-uses": ({"root": {"extensions": KEY_USAGE}}, "not for signing certificates"),
    "leaf-p256": (
        {"leaf": {"key": ec.generate_private_key(ec.SECP256R1())}},
        "'CN=leaf' is not on P-384",
    ),
    "leaf-sha256": ({"leaf": {"signed_with": SHA256()}}, "not signed with ECDSA and SHA-384"),
    "leaf-of-another-zone": (
        {"leaf": {"issuer": Authority("zone")}},
        "'CN=zone' did not issue 'CN=leaf'",
    ),
    "leaf-of-itself": ({"leaf": {"issuer": None}}, "did not issue 'CN=leaf'"),
    "path-of-one": (
        {"root": {"extensions": (x509.BasicConstraints(ca=True, path_length=0),)}},
        "'CN=root' may not issue here",
    ),
}


def refused(step: str, words: str, document: bytes, **changes: Any) -> None:
    with pytest.raises(AttestationError) as caught:
        verify(document, **changes)
    assert type(caught.value) is AttestationError
    assert isinstance(caught.value.evidence, Evidence)
    (check,) = caught.value.evidence.checks
    assert (check.name, check.status) == ("attestation", CheckStatus.FAILED)
    assert check.reason.split(":")[0] == step
    assert words in check.reason
    assert check.reason in caught.value.short_message
    assert check.source


def test_the_honest_document_is_proven() -> None:
    facts = verify(maker().document())
    assert facts.pcr_hash == BUILD
    assert facts.tee_id == tee_id_of(SIGNING_KEY)


@pytest.mark.parametrize("name", CASES)
def test_golden_corruption(name: str) -> None:
    made, step, words = CASES[name]
    refused(step, words, made())


@pytest.mark.parametrize("name", CHAINS)
def test_golden_corruption_of_the_chain(name: str) -> None:
    changes, words = CHAINS[name]
    other = Hypervisor.new(**changes)
    refused("certificate_chain", words, other.document(), root=other.root.der)


def test_every_step_is_spoilt() -> None:
    assert {step for _, step, _ in CASES.values()} == {
        "format",
        "certificate_chain",
        "cose_signature",
        "freshness",
        "nonce",
        "pcr",
        "user_data",
        "tls_binding",
        "key_binding",
    }


@pytest.mark.parametrize(
    ("changes", "step", "words"),
    [
        ({"root": Authority("root").der}, "certificate_chain", "did not issue"),
        ({"nonce": bytes(20)}, "nonce", "not made for this question"),
        ({"expected_pcr_hashes": {Bytes32(bytes(32))}}, "pcr", "not an accepted one"),
        ({"expected_pcr_hashes": frozenset()}, "pcr", "not an accepted one"),
        ({"tls_certificate_der": b"other"}, "tls_binding", "TLS certificate"),
        ({"signing_key_der": b"other"}, "key_binding", "signing key"),
        ({"now": NOW + 300.5}, "freshness", "s old"),
        ({"now": NOW - 60.5}, "freshness", "in the future"),
        ({"now": float("nan")}, "freshness", "s old"),
        ({"not_before": NOW + 0.5}, "freshness", "before this network"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_honest_document_answers_one_question_only(
    changes: dict[str, Any], step: str, words: str
) -> None:
    refused(step, words, maker().document(), **changes)


@pytest.mark.parametrize("changes", [{"now": NOW + 300}, {"now": NOW - 60}, {"not_before": NOW}])
def test_the_bounds_of_freshness_are_inclusive(changes: dict[str, Any]) -> None:
    assert verify(maker().document(), **changes).pcr_hash == BUILD


def test_no_document_is_from_before_the_network() -> None:
    """The default bound, with certificates that would have been valid then."""
    then = 1_738_281_600
    times = {"valid_from": then - 3600, "valid_to": then + 3600}
    other = Hypervisor.new(root=times, zone=times, leaf=times)
    at_once, before = (other.document(timestamp=ms) for ms in (then * 1000, then * 1000 - 1))
    assert verify(at_once, now=then, root=other.root.der).pcr_hash == BUILD
    refused("freshness", "before this network", before, now=then, root=other.root.der)


def test_a_known_certificate_is_still_asked_whether_it_is_valid() -> None:
    """What is remembered of a certificate is who signed it, not until when it may be used."""
    clear_caches()
    other = Hypervisor.new(leaf={"valid_to": NOW + 10})
    for _ in range(2):
        assert verify(other.document(), root=other.root.der).pcr_hash == BUILD
    late = other.document(timestamp=(NOW + 11) * 1000)
    refused("certificate_chain", "'CN=leaf' is not valid at", late, root=other.root.der)


def test_a_known_leaf_does_not_vouch_for_another() -> None:
    clear_caches()
    assert verify(maker().document()).pcr_hash == BUILD
    for _ in range(2):  # a refusal is not remembered as anything else
        strange = Hypervisor(maker().root, maker().zone, Authority("leaf", Authority("zone")))
        refused("certificate_chain", "did not issue", strange.document())
    assert verify(maker().document()).pcr_hash == BUILD


@pytest.mark.skipif(
    not SHARED.exists(), reason="the genuine AWS document is not part of this repository"
)
@pytest.mark.parametrize(
    ("position", "change", "step"),
    [
        (2, lambda raw: raw.replace(b"i-", b"j-", 1), "cose_signature"),
        (3, bit(0), "cose_signature"),
        (3, lambda raw: raw[:-1], "cose_signature"),
    ],
    ids=["payload", "signature", "signature-short"],
)
def test_golden_corruption_of_a_genuine_document(
    position: int, change: Callable[[bytes], bytes], step: str
) -> None:
    real = load(SHARED)["real"]
    envelope: Any = decode(attestation_from_base64(real["document_base64"]))
    envelope[position] = change(envelope[position])
    with pytest.raises(AttestationError, match=step):
        verify_attestation(
            encode(envelope),
            tls_certificate_der=b"",
            signing_key_der=b"",
            now=real["timestamp_ms"] / 1000,
        )
