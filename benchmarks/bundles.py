"""``python -m benchmarks.bundles``: how many bundles one core verifies offline in a second.

Every bundle is of another answer; with an attestation document, of another node too: another key,
another certificate, another document under another leaf, and everything that verification keeps
(keys, their ids, certificates) is thrown away after every one of them.
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coincurve import PrivateKey, PublicKey
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from opengradient_sdk.ledger.bundle import verify_bundle
from opengradient_sdk.ledger.bundle.form import AuthorizationPart
from opengradient_sdk.ledger.bundle.paying import permit2_digest
from opengradient_sdk.types import Bytes32, keccak256
from opengradient_sdk.verification import (
    answer_statement,
    canonical_chat_request,
    pcr_hash_of,
    user_data_of,
)
from opengradient_sdk.verification import signature as keys
from opengradient_sdk.verification._cbor import encode
from opengradient_sdk.verification._nitro_chain import clear_caches
from opengradient_sdk.verification.canonical import Mode
from opengradient_sdk.verification.merkle import leaf_hash, node_hash

NOW: Final = 1_784_203_200
_PCRS: Final = {index: bytes([index + 1]) * 48 for index in range(3)}
_BUILD: Final = pcr_hash_of(_PCRS[0], _PCRS[1], _PCRS[2])
_PAYER: Final = b"\x11" * 32
_SIBLINGS: Final = [Bytes32(bytes([number]) * 32) for number in range(4)]  # a batch of sixteen
_CURVE: Final = "(one P-384 signature verified)"
_SIGNATURES: Final = 3  # of a document made here; of a real one, whose chain is longer, five
Json = dict[str, Any]


@dataclass(frozen=True)
class Trusted:
    """What the reader of these bundles takes for granted."""

    measurements: frozenset[Bytes32]
    attestation_root: bytes | None


class Enclave:
    """A node: its key, and an attestation document under a hypervisor of its own."""

    def __init__(self, root: Authority) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.public = self.key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self.certificate = b"\x30\x82\x01\x00" + keccak256(self.public) * 8
        zone = Authority("zone", root)
        leaf = Authority("leaf", zone, ca=False)
        self.document = leaf.document([root, zone], user_data_of(self.certificate, self.public))


class Authority:
    """A certificate and its key."""

    def __init__(self, name: str, issuer: Authority | None = None, *, ca: bool = True) -> None:
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        above = issuer or self
        moment = datetime.fromtimestamp(NOW, UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(above.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment - timedelta(hours=1))
            .not_valid_after(moment + timedelta(hours=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(above.key, SHA384())
        )

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    def document(self, above: Sequence[Authority], user_data: bytes) -> bytes:
        """Return a document of an enclave that holds what ``user_data`` names."""
        payload = encode(
            {
                "module_id": "i-benchmark",
                "digest": "SHA384",
                "timestamp": NOW * 1000,
                "pcrs": _PCRS | {index: bytes(48) for index in range(3, 16)},
                "certificate": self.der,
                "cabundle": [each.der for each in above],
                "public_key": None,
                "user_data": user_data,
                "nonce": bytes(20),
            }
        )
        protected = encode({1: -35})
        signed = encode(["Signature1", protected, b"", payload])
        r, s = decode_dss_signature(self.key.sign(signed, ec.ECDSA(SHA384())))
        signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
        return encode([protected, {}, payload, signature])


def a_bundle(enclave: Enclave, number: int, *, attested: bool, whole: bool) -> bytes:
    """A bundle of one answer; a ``whole`` one has the payer's signature and a Merkle path."""
    body = {
        "model": "gpt-5",
        "messages": [{"role": "user", "content": f"Question {number}: " + "what is it? " * 20}],
        "temperature": 0.0,
        "max_tokens": 512,
    }
    asked, output = canonical_chat_request(body, Mode.JULY), f"Answer {number}. " + "It is. " * 60
    statement, leaf = _statement(enclave, asked, output)
    bundle: Json = {
        "schema": "opengradient.bundle/1",
        "id": f"rcpt_{number:024x}",
        "created_at": NOW - 0.5,
        "as_of": NOW + 500.0,
        "run": None,
        "parents": [],
        "call": {"route": "/v1/chat/completions", "model": "gpt-5"},
        "request": {"canonical": asked},
        "output": {"text": output},
        "statement": statement,
        "registry": _registry(enclave),
        "attestation": _attestation(enclave) if attested else None,
        "payment": _payment(number, signed=whole),
        "data": _data(leaf) if whole else _PRIVATE,
        "uncovered": ["id", "created", "model", "usage"],
    }
    return json.dumps(bundle).encode()


def _statement(enclave: Enclave, asked: str, output: str) -> tuple[Json, Bytes32]:
    tee_id, request, answer = (
        keccak256(each) for each in (enclave.public, asked.encode(), output.encode())
    )
    signature = enclave.key.sign(
        answer_statement(request, answer, NOW), PSS(MGF1(SHA256()), 32), SHA256()
    )
    statement = {
        "tee_id": "0x" + tee_id.hex(),
        "request_hash": "0x" + request.hex(),
        "output_hash": "0x" + answer.hex(),
        "timestamp": NOW,
        "signature": base64.b64encode(signature).decode(),
    }
    return statement, leaf_hash(tee_id, request, answer, signature, NOW)


def _registry(enclave: Enclave) -> Json:
    return {
        "chain_id": 10740,
        "registry": "0x" + "0c" * 20,
        "block_number": 1234567,
        "block_hash": "0x" + "0b" * 32,
        "block_timestamp": NOW - 2,
        "rpcs": ["https://rpc.example"],
        "record": {
            "owner": "0x" + "0a" * 20,
            "payment_address": "0x" + "aa" * 20,
            "endpoint": "https://node.example",
            "public_key": "0x" + enclave.public.hex(),
            "tls_certificate": "0x" + enclave.certificate.hex(),
            "pcr_hash": str(_BUILD),
            "tee_type": 0,
            "enabled": True,
            "registered_at": NOW - 5000,
            "last_heartbeat_at": NOW - 50,
        },
    }


def _attestation(enclave: Enclave) -> Json:
    document = base64.b64encode(enclave.document).decode()
    return {"document": document, "nonce": "0x" + bytes(20).hex(), "verified_at": NOW + 1.5}


def _payment(number: int, *, signed: bool) -> Json:
    key = PrivateKey(_PAYER)
    owner = keccak256(key.public_key.format(compressed=False)[1:])[12:]
    authorization = {
        "scheme": "upto",
        "network": "eip155:8453",
        "asset": "0x" + "0d" * 20,
        "owner": "0x" + owner.hex(),
        "spender": "0x" + "0e" * 20,
        "recipient": "0x" + "aa" * 20,
        "facilitator": "0x" + "fa" * 20,
        "max_amount": str(10**17),
        "nonce": str(2**250 + number),
        "valid_after": NOW - 600,
        "deadline": NOW + 300,
    }
    digest = permit2_digest(AuthorizationPart.model_validate(authorization))
    flat = key.sign_recoverable(digest, hasher=None)
    return {
        "authorization": authorization,
        "signature": "0x" + flat[:64].hex() + f"{flat[64] + 27:02x}" if signed else None,
        "session": {"served": "1500", "calls": 1, "unpriced": 0, "resent": 0},
        "status": {
            "state": "final",
            "reason": "settled",
            "amount": "1500",
            "transaction": "0x" + "07" * 32,
            "chain_id": 8453,
            "block_number": 7654321,
            "block_hash": "0x" + "09" * 32,
            "proof": None,
            "rpcs": ["https://rpc.example"],
            "disagreeing": [],
            "final": True,
        },
    }


_PRIVATE: Final[Json] = {
    "state": "none",
    "mode": "private",
    "reason": "nothing was to be settled",
    "due_at": None,
    "searched_to": None,
    "proof": None,
}


def _data(leaf: Bytes32) -> Json:
    root = leaf
    for sibling in _SIBLINGS:
        root = node_hash(root, sibling)
    return {
        "state": "final",
        "mode": "batch",
        "reason": "found on chain",
        "due_at": NOW + 1800.0,
        "searched_to": 1240000,
        "proof": {
            "mode": "batch",
            "chain_id": 10740,
            "relay": "0x" + "0f" * 20,
            "transaction": "0x" + "0d" * 32,
            "log_index": 3,
            "block_number": 1234999,
            "block_hash": "0x" + "0f" * 32,
            "block_timestamp": NOW + 300,
            "blob_id": "a" * 43,
            "rpcs": ["https://rpc.example"],
            "merkle_root": str(root),
            "batch_size": 16,
            "leaf_hash": str(leaf),
            "proof": [str(sibling) for sibling in _SIBLINGS],
        },
    }


def forget() -> None:
    """Throw away what verification keeps between bundles: keys, their ids, certificates."""
    keys.tee_id_of.cache_clear()
    keys._rsa_key.cache_clear()  # noqa: SLF001 - nobody else has a reason to
    clear_caches()


def rate(bundles: Sequence[bytes], trust: Trusted, rounds: int, *, keeps: bool) -> str:
    """Verify all of ``bundles`` once per round; the rates are per second of this process's CPU.

    What is known of the node before is thrown away before every round, and unless it ``keeps``,
    before every bundle.
    """
    rates: list[float] = []
    for _ in range(rounds):
        forget()
        started = time.process_time()
        for bundle in bundles:
            verify_bundle(bundle, trust)
            if not keeps:
                forget()
        rates.append(len(bundles) / (time.process_time() - started))
    return _told(rates)


def primitives(enclave: Enclave, rounds: int) -> dict[str, list[float]]:
    """Measure what no verifier can do without, so that a busy machine shows.

    Each bundle takes one of the first, each document three of the second (the root signed the
    zone, the zone the leaf, the leaf the document), each payment the third.
    """
    digest, payer = keccak256(b"digest"), PrivateKey(_PAYER)
    pss = PSS(MGF1(SHA256()), 32)
    signed = enclave.key.sign(digest, pss, SHA256())
    flat, public = payer.sign_recoverable(digest, hasher=None), enclave.key.public_key()
    zone = ec.generate_private_key(ec.SECP384R1())
    issued, issuer = zone.sign(digest, ec.ECDSA(SHA384())), zone.public_key()
    works: dict[str, Callable[[], object]] = {
        "(one RSA-PSS signature verified)": lambda: public.verify(signed, digest, pss, SHA256()),
        _CURVE: lambda: issuer.verify(issued, digest, ec.ECDSA(SHA384())),
        "(one payer recovered from a signature)": lambda: PublicKey.from_signature_and_message(
            flat, digest, hasher=None
        ),
    }
    return {name: _per_second(work, rounds) for name, work in works.items()}


def _per_second(work: Callable[[], object], rounds: int, times: int = 300) -> list[float]:
    rates: list[float] = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(times):
            work()
        rates.append(times / (time.process_time() - started))
    return rates


def _told(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):8.0f}/s  ({min(rates):.0f}–{max(rates):.0f})"


def main() -> None:
    """Print the rates, medians with the smallest and the largest."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bundles", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bundles", type=int, default=400, help="bundles of each kind")
    parser.add_argument("--nodes", type=int, default=40, help="nodes with keys of their own")
    arguments = parser.parse_args()
    root = Authority("root")
    enclaves = [Enclave(root) for _ in range(arguments.nodes)]
    trust = Trusted(frozenset({_BUILD}), root.certificate.public_bytes(Encoding.PEM))

    def made(count: int, of: int, *, attested: bool, whole: bool) -> list[bytes]:
        return [
            a_bundle(enclaves[number % of], number, attested=attested, whole=whole)
            for number in range(count)
        ]

    kinds = {
        "answer and registry record, one node": made(
            arguments.bundles, 1, attested=False, whole=False
        ),
        "… with payer's signature and Merkle path": made(
            arguments.bundles, 1, attested=False, whole=True
        ),
        "… with an attestation document, all nodes different": made(
            arguments.nodes, arguments.nodes, attested=True, whole=True
        ),
    }
    for name, bundles in kinds.items():
        size = statistics.mean(map(len, bundles)) / 1000
        keeps = "attestation" not in name
        found = rate(bundles, trust, arguments.rounds, keeps=keeps)
        print(f"{name:52} {size:5.1f} kB {found}")
    alone = primitives(enclaves[0], arguments.rounds)
    for name, rates in alone.items():
        print(f"{name:52}          {_told(rates)}")
    documents = [each / _SIGNATURES for each in alone[_CURVE]]
    print(f"{'(documents, by their signatures alone)':52}          {_told(documents)}")


if __name__ == "__main__":
    main()
