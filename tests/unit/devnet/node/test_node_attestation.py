"""Attestation documents of the Devnet are genuine in form and hold under their own root only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opengradient_sdk.devnet.node import TestRoot, devnet_pcrs, make_document, pcr_hash
from opengradient_sdk.errors import AttestationError
from opengradient_sdk.types import keccak256
from opengradient_sdk.verification._cbor import encode
from opengradient_sdk.verification.attestation import verify_attestation

NOW = 1_800_000_000.0
NONCE = bytes(range(20))
ROOT = TestRoot(NOW)


def _document(**changes: Any) -> bytes:
    known: dict[str, Any] = {
        "tls_certificate_der": b"certificate",
        "signing_key_der": b"key",
        "pcrs": devnet_pcrs(),
        "now": NOW,
        "nonce": NONCE,
    }
    return make_document(changes.pop("root", ROOT), **known | changes)


def _verified(document: bytes, **changes: Any) -> Any:
    known: dict[str, Any] = {
        "tls_certificate_der": b"certificate",
        "signing_key_der": b"key",
        "root": ROOT.pem,
        "now": NOW,
        "nonce": NONCE,
    }
    return verify_attestation(document, **known | changes)


def test_a_document_proves_key_certificate_and_measurements() -> None:
    facts = _verified(_document())

    pcrs = devnet_pcrs()
    assert facts.pcr_hash == pcr_hash(pcrs) == keccak256(pcrs[0] + pcrs[1] + pcrs[2])


def test_a_document_without_a_nonce_is_for_registration() -> None:
    assert _verified(_document(nonce=None), nonce=None).pcr_hash == pcr_hash(devnet_pcrs())


@pytest.mark.parametrize(
    "changes",
    [
        {"root": TestRoot(NOW).pem},
        {"tls_certificate_der": b"another"},
        {"signing_key_der": b"another"},
        {"nonce": bytes(20)},
        {"now": NOW + 301},
        {"now": NOW - 61},
    ],
    ids=["root", "certificate", "key", "nonce", "stale", "early"],
)
def test_a_document_proves_nothing_else(changes: dict[str, Any]) -> None:
    with pytest.raises(AttestationError):
        _verified(_document(), **changes)


def test_every_byte_of_the_payload_is_signed() -> None:
    document = _document()
    at = document.index(b"devnet-enc0")

    with pytest.raises(AttestationError):
        _verified(document[:at] + b"D" + document[at + 1 :])


def test_builds_have_measurements_of_their_own() -> None:
    assert pcr_hash(devnet_pcrs("devnet-1")) != pcr_hash(devnet_pcrs("devnet-2"))
    assert all(len(pcr) == 48 and any(pcr) for pcr in devnet_pcrs().values())


@pytest.mark.parametrize(
    ("value", "hexadecimal"),
    [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (1000, "1903e8"),
        (1_000_000, "1a000f4240"),
        (1_000_000_000_000, "1b000000e8d4a51000"),
        (-1, "20"),
        (-35, "3822"),
        (None, "f6"),
        (b"\x01\x02", "420102"),
        ("IETF", "6449455446"),
        ([1, [2, 3]], "8201820203"),
        ({"a": 1, "b": [2]}, "a2616101616281" + "02"),
        (b"x" * 256, "590100" + "78" * 256),
    ],
)
def test_cbor_is_spelled_as_in_rfc_8949(value: object, hexadecimal: str) -> None:
    assert encode(value).hex() == hexadecimal


def test_the_root_is_told_as_pem() -> None:
    assert json.dumps(ROOT.pem.decode()).startswith('"-----BEGIN CERTIFICATE-----')
