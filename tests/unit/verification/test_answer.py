"""One corruption per check, made here, where the vectors have none; and what success costs."""

from __future__ import annotations

import binascii
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.errors import (
    ConfigurationError,
    OutputHashError,
    SignatureError,
    VerificationError,
)
from opengradient_sdk.types import Bytes32, keccak256
from opengradient_sdk.verification import (
    MAX_AGE,
    MAX_AHEAD,
    Assurance,
    CheckStatus,
    Evidence,
    Mode,
    SignedFields,
    answer_statement,
    canonical_chat_request,
    heartbeat_statement,
    tee_id_of,
    verify_answer,
    verify_rsa_pss,
)

from .conftest import VECTORS, NodeKey, load

BODY: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}]}
TEXT = "Hello there!"
SIGNED_AT = 1_784_203_200


@pytest.fixture
def key(node_keys: dict[str, NodeKey]) -> NodeKey:
    return node_keys["key1"]


def signed_fields(
    key: NodeKey, *, text: str = TEXT, timestamp: int = SIGNED_AT, mode: Mode = Mode.JULY
) -> SignedFields:
    request_hash = keccak256(canonical_chat_request(BODY, mode).encode())
    output_hash = keccak256(text.encode())
    signature = key.sign(answer_statement(request_hash, output_hash, timestamp))
    return SignedFields(
        tee_id=key.tee_id.hex(),
        request_hash=request_hash.hex(),
        output_hash=output_hash.hex(),
        timestamp=timestamp,
        signature=binascii.b2a_base64(signature, newline=False).decode(),
    )


def verify(key: NodeKey, fields: SignedFields, **changes: Any) -> Evidence:
    arguments: dict[str, Any] = {
        "request_body": BODY,
        "answer_fields": fields,
        "output_text": TEXT,
        "public_key_der": key.public_der,
        "expected_tee_id": key.tee_id,
        "now": SIGNED_AT,
    }
    return verify_answer(**(arguments | changes))


def failure_of(error: VerificationError) -> str:
    assert isinstance(error.evidence, Evidence)
    (failed,) = error.evidence.failed
    assert failed.reason in error.short_message
    assert error.evidence.assurance is Assurance.UNVERIFIED
    return failed.name


def test_an_honest_answer(key: NodeKey) -> None:
    evidence = verify(key, signed_fields(key))
    assert evidence.assurance is Assurance.SIGNED
    assert {check.status for check in evidence.checks} == {CheckStatus.PASSED}


def test_the_evidence_says_which_form_was_signed(key: NodeKey) -> None:
    fields, body = signed_fields(key), BODY | {"web_search": True}
    april = verify(key, fields, request_body=body).get("request_hash")
    july = verify(key, fields).get("request_hash")
    assert april is not None
    assert july is not None
    assert "form of April 2026" in april.reason
    assert july.reason == "the request is the one signed"


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (SIGNED_AT + MAX_AGE + 1, "signed 301 s ago"),
        (SIGNED_AT - MAX_AHEAD - 1, "signed 301 s in the future"),
    ],
)
def test_an_answer_of_another_time(key: NodeKey, now: float, reason: str) -> None:
    with pytest.raises(VerificationError, match=reason) as caught:
        verify(key, signed_fields(key), now=now)
    assert failure_of(caught.value) == "freshness"


@pytest.mark.parametrize("now", [SIGNED_AT + MAX_AGE, SIGNED_AT - MAX_AHEAD])
def test_the_tolerance_is_inclusive(key: NodeKey, now: float) -> None:
    assert verify(key, signed_fields(key), now=now).get("freshness") is not None


def test_the_tolerance_is_the_callers(key: NodeKey) -> None:
    with pytest.raises(VerificationError, match="more than 5 s"):
        verify(key, signed_fields(key), now=SIGNED_AT + 6, max_age=5)
    with pytest.raises(VerificationError, match="future"):
        verify(key, signed_fields(key), now=SIGNED_AT - 6, max_ahead=5)


def test_an_answer_of_another_honest_node(key: NodeKey, node_keys: dict[str, NodeKey]) -> None:
    other = node_keys["key2"]
    with pytest.raises(VerificationError, match="was asked") as caught:
        verify(other, signed_fields(other), expected_tee_id=key.tee_id)
    assert failure_of(caught.value) == "tee_id"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + "\n",
        lambda text: text[:40] + "\n" + text[40:],
        lambda text: text.rstrip("="),
        lambda text: text + "=",
        lambda text: text + "AAAA",
        lambda text: text[:-3] + chr(ord(text[-3]) + 1) + text[-2:],
        lambda text: text.replace("/", "_").replace("+", "-"),
        lambda _: "",
        lambda _: "é",
    ],
    ids=["newline", "folded", "unpadded", "overpadded", "longer", "spare-bits", "url", "no", "é"],
)
def test_base64_has_one_form(key: NodeKey, spoil: Any) -> None:
    fields = signed_fields(key)
    with pytest.raises(SignatureError) as caught:
        verify(key, replace(fields, signature=spoil(fields.signature)))
    assert failure_of(caught.value) == "signature"


def test_a_lone_surrogate_is_not_what_was_signed(key: NodeKey) -> None:
    with pytest.raises(OutputHashError, match="UTF-8") as caught:
        verify(key, signed_fields(key), output_text="\ud800")
    assert failure_of(caught.value) == "output_hash"


def test_a_body_without_a_hash_is_the_callers_mistake(key: NodeKey) -> None:
    with pytest.raises(ConfigurationError):
        verify(key, signed_fields(key), request_body={"model": "", "messages": []})


def test_a_registered_key_that_is_none(key: NodeKey) -> None:
    der = b"not a key"
    fields = replace(signed_fields(key), tee_id=tee_id_of(der).hex())
    with pytest.raises(SignatureError) as caught:
        verify(key, fields, public_key_der=der, expected_tee_id=tee_id_of(der))
    assert failure_of(caught.value) == "signature"


def ec_key_der() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = generate_private_key(SECP256R1()).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def short_rsa_key_der() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = generate_private_key(65537, 1024).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("der", "reason"),
    [
        (b"", "not a DER"),
        (b"\x30" * 8193, "more than 8192"),
        (ec_key_der(), "not an RSA key"),
        (short_rsa_key_der(), "not an RSA key"),
    ],
    ids=["empty", "long", "other-kind", "short"],
)
def test_keys_that_are_not_rsa_2048(der: bytes, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify_rsa_pss(der, bytes(32), bytes(256))


def test_a_pem_is_not_a_der(key: NodeKey) -> None:
    with pytest.raises(SignatureError):
        verify_rsa_pss(key.private_pem, bytes(32), bytes(256))


def test_the_heartbeat_of_the_vectors() -> None:
    beat = load(VECTORS / "registry_getActiveTEEs.json")["heartbeat"]
    statement = heartbeat_statement(Bytes32(beat["tee_id"]), int(beat["timestamp"]))
    assert statement.hex() == beat["message_hash"].removeprefix("0x")


@pytest.mark.parametrize(
    "timestamp",
    [" 5", "+5", "5_0", "٣", "", "1" * 21, 2**64, -1, 1.0, True, None, [1], "0x5"],
    ids=repr,
)
def test_times_that_are_no_seconds(timestamp: object) -> None:
    answer = dict.fromkeys(
        ("tee_id", "tee_request_hash", "tee_output_hash", "tee_signature"), "00"
    ) | {"tee_timestamp": timestamp}
    with pytest.raises(VerificationError, match="tee_timestamp") as caught:
        SignedFields.from_json(answer)
    assert failure_of(caught.value) == "fields"


@pytest.mark.parametrize("answer", [None, [], "text", 5])
def test_an_answer_that_is_no_object(answer: object) -> None:
    with pytest.raises(VerificationError, match="not a JSON object"):
        SignedFields.from_json(answer)


def test_importing_this_loads_nothing_heavy() -> None:
    code = (
        "import sys, opengradient_sdk.verification;"
        "heavy = {'cryptography', 'pydantic', 'aiohttp', 'web3', 'eth_account', 'Crypto'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
