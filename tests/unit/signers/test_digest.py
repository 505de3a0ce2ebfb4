"""A key that signs digests: every form its signature has, and every way it can be wrong."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.errors import ConfigurationError, SignerError, SigningRejectedError
from opengradient_sdk.signers import DigestSigner, LocalSigner, Signer
from opengradient_sdk.signers._recover import recover_address
from opengradient_sdk.types import Address, PreparedTx, keccak256

from .kinds import KINDS
from .test_guard import OTHER_KEY
from .test_local import ADDRESS, HALF_ORDER, KEY, ORDER, TRANSACTION, typed_data

SECRET = bytes.fromhex(KEY[2:])
MODULE = ec.derive_private_key(int.from_bytes(SECRET, "big"), ec.SECP256K1())
"""A stand-in for a hardware module: OpenSSL, which signs with any s and no recovery id."""


async def sign_as_kms(digest: bytes) -> bytes:
    """Sign as AWS KMS does with MessageType="DIGEST" and ECDSA_SHA_256."""
    return MODULE.sign(digest, ec.ECDSA(Prehashed(SHA256())))


def numbers(digest: bytes) -> tuple[int, int]:
    """Return r and the low s of the key's signature."""
    compact = PrivateKey(SECRET).sign_recoverable(digest, hasher=None)
    return int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:64], "big")


def compact(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


FORMS: dict[str, Callable[[int, int], bytes]] = {
    "DER": encode_dss_signature,
    "DER, high s": lambda r, s: encode_dss_signature(r, ORDER - s),
    "64 bytes": compact,
    "64 bytes, high s": lambda r, s: compact(r, ORDER - s),
    "65 bytes with v 27": lambda r, s: compact(r, s) + b"\x1b",
    "65 bytes with v 1": lambda r, s: compact(r, s) + b"\x01",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("tx", KINDS.values(), ids=KINDS)
async def test_every_form_becomes_what_a_local_key_would_sign(form: Any, tx: PreparedTx) -> None:
    async def sign(digest: bytes) -> bytes:
        signature: bytes = form(*numbers(digest))
        return signature

    signer, local = DigestSigner(sign, address=ADDRESS), LocalSigner(KEY)
    assert await signer.sign_transaction(tx) == await local.sign_transaction(tx)
    assert await signer.sign_typed_data(typed_data()) == await local.sign_typed_data(typed_data())


@given(st.integers(0, 2**256 - 1))
async def test_what_a_module_signs_is_brought_into_form(value: int) -> None:
    data = typed_data(value)
    signature = await DigestSigner(sign_as_kms, address=ADDRESS).sign_typed_data(data)
    assert recover_address(data.digest(), signature) == ADDRESS
    assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER


PUBLIC = MODULE.public_key()
PUBLIC_KEYS: dict[str, bytes | str] = {
    "DER": PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "PEM": PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "PEM text": PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    "65 bytes": PUBLIC.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    "33 bytes": PUBLIC.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
}


@pytest.mark.parametrize("public_key", PUBLIC_KEYS.values(), ids=PUBLIC_KEYS)
def test_a_public_key_is_read_in_every_usual_form(public_key: bytes | str) -> None:
    assert DigestSigner(sign_as_kms, public_key=public_key).address == ADDRESS
    both = DigestSigner(sign_as_kms, public_key=public_key, address=ADDRESS.lower())
    assert both.address == ADDRESS
    assert isinstance(both, Signer)


def spki(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


BAD_ACCOUNTS: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "needs the public key or the address"),
    "another curve": ({"public_key": spki(ec.generate_private_key(ec.SECP256R1()))}, "secp256r1"),
    "another kind": (
        {"public_key": spki(ed25519.Ed25519PrivateKey.generate())},
        "not an elliptic curve's",
    ),
    "a point off the curve": ({"public_key": b"\x04" + b"\x01" * 64}, "cannot be read"),
    "no key": ({"public_key": b"nonsense"}, "cannot be read"),
    "no PEM": ({"public_key": "-----BEGIN PUBLIC KEY-----\n"}, "cannot be read"),
    "nothing": ({"public_key": b""}, "cannot be read"),
    "no address": ({"address": "0x12"}, "not an address"),
    "two that disagree": (
        {"public_key": PUBLIC_KEYS["DER"], "address": "0x" + "11" * 20},
        f"one of {ADDRESS}, not of",
    ),
}


@pytest.mark.parametrize(("arguments", "why"), BAD_ACCOUNTS.values(), ids=BAD_ACCOUNTS)
def test_what_names_no_account_is_explained(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        DigestSigner(sign_as_kms, **arguments)


def other_keys(digest: bytes) -> bytes:
    return PrivateKey(bytes.fromhex(OTHER_KEY[2:])).sign_recoverable(digest, hasher=None)


BAD_ANSWERS: dict[str, tuple[Callable[[bytes], object], str]] = {
    "another key": (other_keys, f"not one of {ADDRESS}"),
    "hashed again": (lambda d: compact(*numbers(keccak256(d))), "MessageType='DIGEST'"),
    "nothing": (lambda _: b"", "no signature"),
    "text": (lambda _: "0x00", "returned a str"),
    "None": (lambda _: None, "returned a NoneType"),
    "DER that is cut": (lambda d: encode_dss_signature(*numbers(d))[:-1], "no signature"),
    "DER with something after it": (
        lambda d: encode_dss_signature(*numbers(d)) + b"\0",
        "no signature",
    ),
    "no DER": (lambda _: b"\x31" + bytes(70), "no signature"),
    "r of zero": (lambda d: compact(0, numbers(d)[1]), "out of range"),
    "s of zero": (lambda d: compact(numbers(d)[0], 0), "out of range"),
    "r above the order": (lambda d: compact(2**256 - 1, numbers(d)[1]), "out of range"),
    "a negative r": (lambda _: bytes.fromhex("30060201fb020101"), "out of range|no signature"),
    "s and r exchanged": (lambda d: compact(*reversed(numbers(d))), "not one of"),
}


@pytest.mark.parametrize(("answer", "why"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_what_is_no_signature_of_the_account_is_refused(answer: Any, why: str) -> None:
    async def sign(digest: bytes) -> Any:
        return answer(digest)

    signer = DigestSigner(sign, address=ADDRESS)
    with pytest.raises(SignerError, match=why):
        await signer.sign_typed_data(typed_data())
    with pytest.raises(SignerError, match=why):
        await signer.sign_transaction(TRANSACTION)


async def test_a_function_that_fails_is_told_with_its_cause() -> None:
    cause = ConnectionError("request id 7")

    async def sign(_: bytes) -> bytes:
        raise cause

    with pytest.raises(SignerError, match="raised ConnectionError") as caught:
        await DigestSigner(sign, address=ADDRESS).sign_typed_data(typed_data())
    assert caught.value.__cause__ is cause
    assert "request id" not in str(caught.value)


async def test_a_refusal_of_the_function_is_passed_on() -> None:
    async def sign(_: bytes) -> bytes:
        raise SigningRejectedError("not today")

    with pytest.raises(SigningRejectedError, match="not today"):
        await DigestSigner(sign, address=ADDRESS).sign_typed_data(typed_data())


async def test_a_function_that_is_not_async_is_explained() -> None:
    def sign(digest: bytes) -> Any:
        return compact(*numbers(digest))

    def fail(_: bytes) -> Any:
        raise ValueError

    with pytest.raises(SignerError, match="not async") as caught:
        await DigestSigner(sign, address=ADDRESS).sign_typed_data(typed_data())
    assert "asyncio.to_thread" in caught.value.hint
    with pytest.raises(SignerError, match="raised ValueError"):
        await DigestSigner(fail, address=ADDRESS).sign_typed_data(typed_data())


async def test_cancelling_goes_through() -> None:
    asked = asyncio.Event()

    async def sign(_: bytes) -> bytes:
        asked.set()
        await asyncio.Event().wait()
        return b""

    signer = DigestSigner(sign, address=ADDRESS)
    task = asyncio.create_task(signer.sign_typed_data(typed_data()))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_cannot_be_signed_is_not_asked_for() -> None:
    async def sign(_: bytes) -> bytes:
        raise AssertionError("asked")

    signer = DigestSigner(sign, address=Address("0x" + "33" * 20))
    with pytest.raises(SignerError, match="this signer is"):
        await signer.sign_transaction(TRANSACTION)
    with pytest.raises(SignerError, match="does not fit uint256"):
        await signer.sign_typed_data(typed_data(-1))


def test_it_shows_its_address_and_is_not_copied() -> None:
    signer = DigestSigner(sign_as_kms, address=ADDRESS)
    assert repr(signer) == f"DigestSigner({ADDRESS})"
    with pytest.raises(TypeError, match="not copied or pickled"):
        copy.copy(signer)
