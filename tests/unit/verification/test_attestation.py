"""Documents of the vectors, and one spoilt document for every step."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.errors import AttestationError
from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import (
    AWS_NITRO_ROOT_PEM,
    AttestationFacts,
    Evidence,
    attestation_from_base64,
    pcr_hash_of,
    tee_id_of,
    user_data_of,
    verify_attestation,
)
from opengradient_sdk.verification._cbor import encode

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
    public_point,
    reissued,
)

VECTOR = load(Path(__file__).parents[2] / "assets" / "vectors" / "attestation.json")
SYNTHETIC = VECTOR["synthetic"]
NEGATIVES = {case["name"]: case for case in VECTOR["negative"]}
SHARED = Path(__file__).parents[4] / "shared" / "vectors" / "attestation.json"


def hex_of(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def verify_synthetic(document: str, **changes: Any) -> AttestationFacts:
    arguments: dict[str, Any] = {
        "tls_certificate_der": hex_of(SYNTHETIC["tls_certificate_der_hex"]),
        "signing_key_der": hex_of(SYNTHETIC["signing_public_key_der_hex"]),
        "now": SYNTHETIC["reference_time"],
        "root": hex_of(SYNTHETIC["root_der_hex"]),
        "nonce": NONCE,
        "expected_pcr_hashes": {Bytes32(SYNTHETIC["pcrHash"])},
    }
    return verify_attestation(attestation_from_base64(document), **(arguments | changes))


def step_of(error: AttestationError) -> str:
    assert isinstance(error.evidence, Evidence)
    (failed,) = error.evidence.failed
    assert failed.name == "attestation"
    assert failed.reason in error.short_message
    return failed.reason.split(":")[0]


def test_synthetic_document() -> None:
    facts = verify_synthetic(SYNTHETIC["document_base64"] + "\n")
    assert facts.module_id == SYNTHETIC["module_id"]
    assert facts.timestamp_ms == SYNTHETIC["timestamp_ms"]
    assert {str(i): pcr.hex() for i, pcr in facts.pcrs.items()} == SYNTHETIC["pcrs"]
    assert str(facts.pcr_hash) == SYNTHETIC["pcrHash"]
    assert facts.tls_certificate_sha256.hex() == SYNTHETIC["tls_cert_sha256"]
    assert facts.tee_id == tee_id_of(hex_of(SYNTHETIC["signing_public_key_der_hex"]))
    assert facts.nonce == NONCE


@pytest.mark.parametrize("case", NEGATIVES.values(), ids=NEGATIVES)
def test_negative_of_the_vectors(case: dict[str, Any]) -> None:
    changes: dict[str, Any] = {}
    if case["must_fail"] == "certificate_chain":
        changes["root"] = AWS_NITRO_ROOT_PEM
    with pytest.raises(AttestationError) as caught:
        verify_synthetic(case["document_base64"], **changes)
    step = {"user_data_length": "user_data"}.get(case["must_fail"], case["must_fail"])
    assert step_of(caught.value) == step


def test_the_root_is_the_one_of_aws() -> None:
    assert AWS_NITRO_ROOT_PEM.decode().strip() == VECTOR["aws_root_pem"].strip()
    der = base64.b64decode(b"".join(AWS_NITRO_ROOT_PEM.splitlines()[1:-1]))
    assert hashlib.sha256(der).hexdigest() == VECTOR["aws_root_der_sha256"]


@pytest.mark.skipif(
    not SHARED.exists(), reason="the genuine AWS document is not part of this repository"
)
def test_a_genuine_document_of_aws() -> None:
    """Under AWS's own root; its key and certificate are known by their SHA-256 only."""
    real = load(SHARED)["real"]
    document = attestation_from_base64(real["document_base64"])
    now = real["timestamp_ms"] / 1000
    with pytest.raises(AttestationError) as caught:
        verify_attestation(
            document,
            tls_certificate_der=b"",
            signing_key_der=b"",
            now=now,
            nonce=hex_of(real["nonce_hex"]),
            expected_pcr_hashes={Bytes32(real["pcrHash"])},
        )
    # chain, signature, freshness, nonce and build hold: what fails is the first binding
    assert step_of(caught.value) == "tls_binding"
    with pytest.raises(AttestationError) as late:
        verify_attestation(
            document, tls_certificate_der=b"", signing_key_der=b"", now=now + 3 * 3600
        )
    assert step_of(late.value) == "freshness"


@cache
def hypervisor() -> Hypervisor:
    return Hypervisor.new()


def verify(maker: Hypervisor, document: bytes, **changes: Any) -> AttestationFacts:
    arguments: dict[str, Any] = {
        "tls_certificate_der": TLS_CERTIFICATE,
        "signing_key_der": SIGNING_KEY,
        "now": NOW,
        "root": maker.root.der,
        "nonce": NONCE,
    }
    return verify_attestation(document, **(arguments | changes))


def expect(
    step: str, maker: Hypervisor, document: bytes, match: str = "not valid", **changes: Any
) -> None:
    with pytest.raises(AttestationError, match=re.escape(match)) as caught:
        verify(maker, document, **changes)
    assert step_of(caught.value) == step


def test_an_honest_document() -> None:
    maker = hypervisor()
    facts = verify(maker, maker.document())
    assert facts.pcr_hash == pcr_hash_of(PCRS[0], PCRS[1], PCRS[2])
    assert facts.tls_certificate_sha256 == hashlib.sha256(TLS_CERTIFICATE).digest()


def test_what_may_be_left_out() -> None:
    """The root in the bundle, the nonce, the list of builds; a COSE tag may be added."""
    maker = hypervisor()
    assert verify(maker, maker.document(cabundle=[maker.zone.der]), root=maker.root.pem)
    assert verify(maker, maker.document(nonce=None), nonce=None).nonce is None
    assert verify(maker, b"\xd2" + maker.document())


def test_limits_of_usage_that_allow_this_are_kept() -> None:
    maker = Hypervisor.new(
        root={"extensions": (x509.BasicConstraints(ca=True, path_length=1),)},
        zone={
            "extensions": (
                x509.BasicConstraints(ca=True, path_length=0),
                key_usage(key_cert_sign=True),
            )
        },
        leaf={"extensions": (NO_CA, key_usage(digital_signature=True))},
    )
    assert verify(maker, maker.document())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"digest": "SHA512"}, "digest"),
        ({"module_id": ""}, "module_id"),
        ({"module_id": 5}, "module_id"),
        ({"timestamp": "now"}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
        ({"timestamp": 0}, "timestamp"),
        ({"timestamp": 2**64 - 1}, "timestamp"),
        ({"pcrs": {}}, "map of PCRs"),
        ({"pcrs": [bytes(48)]}, "map of PCRs"),
        ({"pcrs": dict.fromkeys(range(33), bytes(48))}, "map of PCRs"),
        ({"pcrs": {"0": bytes(48)}}, "48 bytes under a number"),
        ({"pcrs": {0: bytes(32)}}, "48 bytes under a number"),
        ({"pcrs": {0: "a" * 48}}, "48 bytes under a number"),
        ({"certificate": None}, "not a byte string"),
        ({"certificate": b""}, "not a byte string"),
        ({"cabundle": []}, "no bundle"),
        ({"cabundle": b"der"}, "no bundle"),
        ({"cabundle": [b"der"] * 9}, "no bundle"),
        ({"cabundle": ["der"]}, "not a byte string"),
        ({"user_data": "text"}, "user_data is neither"),
        ({"nonce": 5}, "nonce is neither"),
        ({"public_key": []}, "public_key is neither"),
    ],
    ids=str,
)
def test_format_of_the_payload(changes: dict[str, Any], match: str) -> None:
    maker = hypervisor()
    expect("format", maker, maker.document(**changes), match)


def spoilt_envelope(position: int, value: object) -> bytes:
    envelope = hypervisor().envelope(encode(hypervisor().payload()))
    envelope[position] = value
    return encode(envelope)


@pytest.mark.parametrize(
    ("document", "match"),
    [
        (b"", "too early"),
        (b"\x80" * 16385, "more than 16384"),
        (encode({}), "array of four"),
        (encode([1, 2, 3]), "array of four"),
        (spoilt_envelope(0, encode({1: -7})), "ES384"),
        (spoilt_envelope(0, b""), "ES384"),
        (spoilt_envelope(1, {4: b"kid"}), "ES384"),
        (spoilt_envelope(2, "text"), "byte strings"),
        (spoilt_envelope(3, None), "byte strings"),
        (spoilt_envelope(2, b"\x01"), "not a map"),
        (spoilt_envelope(2, b"\xff"), "CBOR"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_format_of_the_envelope(document: bytes, match: str) -> None:
    expect("format", hypervisor(), document, match)


@pytest.mark.parametrize("text", ["***", "AAA", "AA==AA=="])
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(AttestationError, match="not base64") as caught:
        attestation_from_base64(text)
    assert step_of(caught.value) == "format"


@pytest.mark.parametrize(
    "signature",
    [bytes(96), b"", bytes(95), b"\xff" * 96, b"\x01" * 97],
    ids=["zeros", "empty", "short", "out-of-range", "long"],
)
def test_cose_signature(signature: bytes) -> None:
    expect("cose_signature", hypervisor(), spoilt_envelope(3, signature))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"now": NOW + 301}, "301 s old, more than 300 s"),
        ({"now": NOW - 61}, "61 s in the future"),
        ({"now": NOW + 11, "max_age": 10}, "11 s old"),
        ({"now": NOW - 2, "max_ahead": 1}, "future"),
        ({"not_before": NOW + 1}, "before this network"),
    ],
)
def test_freshness(changes: dict[str, Any], match: str) -> None:
    expect("freshness", hypervisor(), hypervisor().document(), match, **changes)


def test_nonce() -> None:
    maker = hypervisor()
    expect("nonce", maker, maker.document(), nonce=bytes(20))
    expect("nonce", maker, maker.document(nonce=None))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_pcr(index: int) -> None:
    maker = hypervisor()
    expect("pcr", maker, maker.document(pcrs=PCRS | {index: bytes(48)}), "debug mode")
    missing = {i: pcr for i, pcr in PCRS.items() if i != index}
    expect("pcr", maker, maker.document(pcrs=missing), "missing")
    other = PCRS | {index: b"\x09" * 48}
    accepted = {pcr_hash_of(other[0], other[1], other[2])}
    expect("pcr", maker, maker.document(), "not an accepted one", expected_pcr_hashes=accepted)


@pytest.mark.parametrize(
    ("user_data", "step"),
    [
        (None, "user_data"),
        (b"", "user_data"),
        (user_data_of(TLS_CERTIFICATE, SIGNING_KEY) + b"\x00", "user_data"),
        (user_data_of(b"other", SIGNING_KEY), "tls_binding"),
        (user_data_of(TLS_CERTIFICATE, b"other"), "key_binding"),
        (b"\x11" + user_data_of(TLS_CERTIFICATE, SIGNING_KEY)[1:], "tls_binding"),
    ],
    ids=["null", "empty", "long", "other-certificate", "other-key", "other-prefix"],
)
def test_bindings(user_data: bytes | None, step: str) -> None:
    expect(step, hypervisor(), hypervisor().document(user_data=user_data))


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
RSA_KEY = rsa.generate_private_key(65537, 2048).public_key()

BROKEN_CHAINS: dict[str, tuple[dict[str, Any], str]] = {
    "root-expired": ({"root": {"valid_to": NOW - 1}}, "'CN=root' is not valid"),
    "zone-not-yet": ({"zone": {"valid_from": NOW + 1}}, "'CN=zone' is not valid"),
    "leaf-expired": ({"leaf": {"valid_to": NOW - 1}}, "'CN=leaf' is not valid"),
    "zone-no-ca": ({"zone": {"extensions": (NO_CA,)}}, "'CN=zone' may not issue"),
    "zone-silent": ({"zone": {"extensions": ()}}, "does not say that it may issue"),
    "path-too-long": (
        {"root": {"extensions": (x509.BasicConstraints(ca=True, path_length=0),)}},
        "'CN=root' may not issue here",
    ),
    "zone-key-usage": (
        {"zone": {"extensions": (CA, key_usage(digital_signature=True))}},
        "'CN=zone' is not for signing certificates",
    ),
    "leaf-key-usage": (
        {"leaf": {"extensions": (NO_CA, key_usage(key_agreement=True))}},
        "'CN=leaf' is not for signatures",
    ),
    "unknown-critical": ({"leaf": {"extensions": (NO_CA, UNKNOWN)}}, "critical extension"),
    "zone-sha256": ({"zone": {"signed_with": SHA256()}}, "not signed with ECDSA and SHA-384"),
    "zone-p256": (
        {"zone": {"key": ec.generate_private_key(ec.SECP256R1())}},
        "'CN=zone' is not on P-384",
    ),
    "leaf-rsa": ({"leaf": {"public_key": RSA_KEY}}, "'CN=leaf' is not on P-384"),
    "zone-of-another": (
        {"zone": {"issuer": Authority("root")}},
        "'CN=root' did not issue 'CN=zone'",
    ),
    "zone-of-another-name": ({"zone": {"issuer": Authority("toor")}}, "did not issue"),
}


@pytest.mark.parametrize("name", BROKEN_CHAINS)
def test_certificate_chain(name: str) -> None:
    changes, match = BROKEN_CHAINS[name]
    maker = Hypervisor.new(**changes)
    expect("certificate_chain", maker, maker.document(), match)


def test_chain_in_another_order() -> None:
    maker = hypervisor()
    bundle = [maker.zone.der, maker.root.der]
    expect("certificate_chain", maker, maker.document(cabundle=bundle), "did not issue")


@pytest.mark.parametrize("root", [b"", b"-----BEGIN CERTIFICATE-----\n", b"\x30\x00"])
def test_a_root_that_is_none(root: bytes) -> None:
    expect("certificate_chain", hypervisor(), hypervisor().document(), "be read", root=root)


def test_a_leaf_that_is_none() -> None:
    maker = hypervisor()
    expect("certificate_chain", maker, maker.document(certificate=b"x"), "cannot be read")


BASIC_CONSTRAINTS, KEY_USAGE = bytes.fromhex("0603551d13"), bytes.fromhex("0603551d0f")


def test_a_leaf_whose_key_is_broken() -> None:
    """Properly issued, but its point is not on the curve."""
    maker = hypervisor()
    point = public_point(maker.leaf)
    leaf = reissued(maker.leaf, point, bytes(len(point)))
    expect("certificate_chain", maker, maker.document(certificate=leaf), "key of 'CN=leaf' cannot")


def test_a_leaf_whose_extensions_are_broken() -> None:
    """Properly issued, but its key usage has the value of another extension."""
    maker = hypervisor()
    leaf = reissued(maker.leaf, BASIC_CONSTRAINTS, KEY_USAGE)
    expect("certificate_chain", maker, maker.document(certificate=leaf), "cannot be read")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),
        (b"\x0c\x04leaf", b"\x0c\x04\xff\xff\xff\xff"),
    ],
    ids=["version", "subject"],
)
def test_a_leaf_that_cannot_be_read(old: bytes, new: bytes) -> None:
    maker = hypervisor()
    leaf = reissued(maker.leaf, old, new)
    expect("certificate_chain", maker, maker.document(certificate=leaf), "cannot be read")


@given(st.data())
def test_whatever_arrives_only_the_rooms_error_leaves(data: st.DataObject) -> None:
    maker = hypervisor()
    document = bytearray(maker.document())
    place = data.draw(st.integers(0, len(document) - 1))
    document[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(AttestationError):
        verify(maker, bytes(document))
