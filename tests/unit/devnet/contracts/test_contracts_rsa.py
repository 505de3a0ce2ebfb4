"""RSA-PSS over the modexp precompile, on two EVMs, against keys and signatures made elsewhere."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from opengradient_sdk.devnet.contracts import addresses, artifacts, genesis_alloc
from opengradient_sdk.types import keccak256

from .chainkit import ADMIN, STRANGER, Anvil, vectors

VERIFIER = artifacts.load("TEEVerifier")
VECTORS = vectors("response_verify")
KEY1 = bytes.fromhex(VECTORS["keys"]["key1"]["public_key_der_hex"].removeprefix("0x"))
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
MESSAGE = keccak256(b"what was said")
MOST_GAS = 120_000

Verify = Callable[[bytes, bytes, bytes], bool]


def calldata(key: bytes, message: bytes, signature: bytes) -> bytes:
    return VERIFIER.encode_call("verifyRSAPSS", key, message, signature)


def on_anvil(chain: Anvil) -> Verify:
    def verify(key: bytes, message: bytes, signature: bytes) -> bool:
        data = chain.call_raw(addresses.TEE_VERIFIER, calldata(key, message, signature))
        return bool(VERIFIER.decode_output("verifyRSAPSS", data)[0])

    return verify


@cache
def pyevm_backend() -> Any:
    """An eth-tester backend on our genesis, without native precompiles of a devnet."""
    from eth_tester.backends.pyevm.main import PyEVMBackend, get_default_genesis_params

    alloc = genesis_alloc(admin=ADMIN, eth_balances={STRANGER: 10**20})
    state = {
        address.to_bytes(): {
            "balance": account.balance,
            "nonce": account.nonce,
            "code": account.code,
            "storage": dict(account.storage),
        }
        for address, account in alloc.items()
    }
    return PyEVMBackend(get_default_genesis_params({"gas_limit": 30_000_000}), state)


def pyevm_call(data: bytes) -> dict[str, Any]:
    return {
        "from": STRANGER.to_bytes(),
        "to": addresses.TEE_VERIFIER.to_bytes(),
        "data": data,
        "gas": 10_000_000,
    }


def on_pyevm(key: bytes, message: bytes, signature: bytes) -> bool:
    data = pyevm_backend().call(pyevm_call(calldata(key, message, signature)))
    return bool(VERIFIER.decode_output("verifyRSAPSS", data)[0])


@pytest.fixture(params=[pytest.param("anvil", marks=pytest.mark.anvil), "py-evm"])
def verify(request: pytest.FixtureRequest) -> Verify:
    if request.param == "py-evm":
        return on_pyevm
    return on_anvil(request.getfixturevalue("anvil"))


def der(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@cache
def private_key(bits: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, bits)


def statement(response: dict[str, Any]) -> tuple[bytes, bytes]:
    hashed = bytes.fromhex(response["tee_request_hash"] + response["tee_output_hash"])
    message = keccak256(hashed + int(response["tee_timestamp"]).to_bytes(32, "big"))
    return message, base64.b64decode(response["tee_signature"])


SIGNED = [case for case in VECTORS["responses"] if "tee_signature" in (case.get("response") or {})]


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case["name"])
def test_the_vectors_answers_verify(verify: Verify, case: dict[str, Any]) -> None:
    message, signature = statement(case["response"])
    assert verify(KEY1, message, signature)


WRONG = (
    "signature-bit-flip",
    "pss-max-salt",
    "pss-salt-20",
    "pkcs1v15",
    "pss-sha512",
    "signed-without-keccak-wrapper",
    "timestamp-packed-as-8-bytes",
    "timestamp-plus-one",
)


@pytest.mark.parametrize("name", WRONG)
def test_the_vectors_forgeries_do_not(verify: Verify, name: str) -> None:
    case = next(case for case in VECTORS["tampered"] if case["name"] == name)
    message, signature = statement(case["response"])
    assert len(signature) == 256
    assert not verify(KEY1, message, signature)


def test_the_other_key_does_not_verify(verify: Verify) -> None:
    other = load_pem_public_key(VECTORS["keys"]["key2"]["public_key_pem"].encode())
    assert isinstance(other, rsa.RSAPublicKey)
    message, signature = statement(SIGNED[0]["response"])
    assert not verify(der(other), message, signature)


@pytest.mark.parametrize("bits", [2048, 2049, 2050, 2055, 3072, 4096])
def test_keys_of_every_alignment(verify: Verify, bits: int) -> None:
    key = private_key(bits)
    signature = key.sign(MESSAGE, PSS, hashes.SHA256())
    assert verify(der(key.public_key()), MESSAGE, signature)
    assert not verify(der(key.public_key()), keccak256(MESSAGE), signature)


def test_the_exponent_may_be_three(verify: Verify) -> None:
    key = private_key(2048, 3)
    assert verify(der(key.public_key()), MESSAGE, key.sign(MESSAGE, PSS, hashes.SHA256()))


@pytest.mark.parametrize("bits", [1024, 2047])
def test_keys_under_2048_bits_are_refused(verify: Verify, bits: int) -> None:
    key = private_key(bits)
    signature = key.sign(MESSAGE, PSS, hashes.SHA256())
    assert not verify(der(key.public_key()), MESSAGE, signature)


@pytest.mark.parametrize("salt", [0, 31, 33])
def test_other_salt_lengths_are_refused(verify: Verify, salt: int) -> None:
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=salt)
    signature = private_key(2048).sign(MESSAGE, scheme, hashes.SHA256())
    assert not verify(der(private_key(2048).public_key()), MESSAGE, signature)


def test_a_signature_is_a_number_below_the_modulus(verify: Verify) -> None:
    key = load_pem_private_key(VECTORS["keys"]["key1"]["private_key_pem"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    modulus = key.public_key().public_numbers().n
    signature = key.sign(MESSAGE, PSS, hashes.SHA256())
    same = int.from_bytes(signature, "big")
    while same + modulus >= 2**2048:  # the same number mod n must still fit into 256 bytes
        signature = key.sign(MESSAGE, PSS, hashes.SHA256())
        same = int.from_bytes(signature, "big")
    assert verify(KEY1, MESSAGE, signature)
    assert not verify(KEY1, MESSAGE, (same + modulus).to_bytes(256, "big"))
    assert not verify(KEY1, MESSAGE, b"\0" + signature)
    assert not verify(KEY1, MESSAGE, signature[:-1])
    assert not verify(KEY1, MESSAGE, b"")


SPOILED_KEYS = {
    "empty": b"",
    "cut": KEY1[:-1],
    "followed by a byte": KEY1 + b"\0",
    "no sequence": b"\x31" + KEY1[1:],
    "another algorithm": KEY1.replace(bytes.fromhex("2a864886f70d010101"), b"\x2a" * 9),
    "indefinite length": b"\x30\x80" + KEY1[4:],
    "a length of three bytes": b"\x30\x83\0" + KEY1[2:],
    "an even exponent": KEY1[:-1] + b"\0",
    "an exponent of one": KEY1[:-5] + b"\x02\x03\0\0\x01",
    "a negative modulus": KEY1.replace(b"\x02\x82\x01\x01\0", b"\x02\x82\x01\x01\x80", 1),
}


@pytest.mark.parametrize("name", SPOILED_KEYS)
def test_spoiled_keys_are_refused_without_a_revert(verify: Verify, name: str) -> None:
    message, signature = statement(SIGNED[0]["response"])
    assert SPOILED_KEYS[name] != KEY1
    assert not verify(SPOILED_KEYS[name], message, signature)


def believed_by_cryptography(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        loaded = load_der_public_key(key)
        assert isinstance(loaded, rsa.RSAPublicKey)
        loaded.verify(signature, message, PSS, hashes.SHA256())
    except (ValueError, UnsupportedAlgorithm, InvalidSignature, AssertionError):
        return False
    return True


@pytest.mark.anvil
def test_nothing_is_accepted_that_another_library_refuses(anvil: Anvil) -> None:
    """One byte of the key, the message or the signature changes, three hundred times."""
    verify = on_anvil(anvil)
    message, signature = statement(SIGNED[0]["response"])
    dice = random.Random(20260716)
    for _ in range(300):
        parts = [bytearray(KEY1), bytearray(message), bytearray(signature)]
        part = dice.choice(parts)
        part[dice.randrange(len(part))] ^= dice.randrange(1, 256)
        key, text, signed = (bytes(part) for part in parts)
        assert verify(key, text, signed) == believed_by_cryptography(key, text, signed)


def test_it_costs_about_as_much_as_promised() -> None:
    message, signature = statement(SIGNED[0]["response"])
    call = pyevm_call(calldata(KEY1, message, signature))
    backend = pyevm_backend()
    intrinsic = 21_000 + sum(16 if byte else 4 for byte in call["data"])
    assert backend.estimate_gas(call) - intrinsic < MOST_GAS
