"""Honest bundles, made by other code than the one that checks them."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from opengradient_sdk.devnet.facilitator.data import Leaf
from opengradient_sdk.devnet.facilitator.merkle import MerkleTree, leaf_hash
from opengradient_sdk.ledger import (
    AttestedDocument,
    AuthorizationFacts,
    Content,
    DataProof,
    DataState,
    DataStatus,
    Receipt,
    RegistryFacts,
)
from opengradient_sdk.ledger.bundle import make_bundle
from opengradient_sdk.network.records import NodeRecord
from opengradient_sdk.payments.schemes import typed_data_for
from opengradient_sdk.payments.status import NotChargedProof, PaymentState, PaymentStatus
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Address, Amount, Bytes32, keccak256
from opengradient_sdk.verification import (
    Evidence,
    SignedFields,
    answer_statement,
    canonical_chat_request,
    canonical_completion_request,
    pcr_hash_of,
    tee_id_of,
    user_data_of,
)
from opengradient_sdk.verification.canonical import Mode

from ...payments.makers import CAP, OWNER, SIGNER, an_offer
from ...verification.nitro_maker import NONCE, NOW, PCRS, Hypervisor

VECTORS = Path(__file__).parents[3] / "assets" / "vectors"
BUILD = pcr_hash_of(PCRS[0], PCRS[1], PCRS[2])
CERTIFICATE = b"\x30\x05a certificate"
BODY: dict[str, object] = {
    "model": "gpt-5",
    "messages": [{"role": "user", "content": "Hi"}],
    "temperature": 0.0,
    "max_tokens": 50,
}
OUTPUT = "Hello there!"
RPC = ("https://rpc.example",)


@dataclass(frozen=True)
class Trusting:
    """What the checker takes for granted, in these tests."""

    measurements: frozenset[Bytes32] = frozenset()
    attestation_root: bytes | None = None


@cache
def vectors(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


@cache
def node_key(name: str = "key1") -> tuple[bytes, Any]:
    """A node's key: its DER, and the private one."""
    key = vectors("response_verify.json")["keys"][name]
    private: Any = load_pem_private_key(key["private_key_pem"].encode(), password=None)
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = private.public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), private


@cache
def hypervisor() -> Hypervisor:
    return Hypervisor.new()


def trust() -> Trusting:
    """The trust under which the documents made here attest an accepted build."""
    return Trusting(frozenset({BUILD}), hypervisor().root.pem)


def sign_answer(
    body: dict[str, object],
    output: str,
    *,
    form: Mode = Mode.JULY,
    at: int = NOW,
    key: str = "key1",
) -> SignedFields:
    """The statement of a node that hashes requests in ``form``."""
    der, private = node_key(key)
    chat = "messages" in body
    text = canonical_chat_request(body, form) if chat else canonical_completion_request(body)
    asked, answered = keccak256(text.encode()), keccak256(output.encode())
    signature = private.sign(
        answer_statement(asked, answered, at), PSS(MGF1(SHA256()), 32), SHA256()
    )
    return SignedFields(
        tee_id=tee_id_of(der).hex(),
        request_hash=asked.hex(),
        output_hash=answered.hex(),
        timestamp=at,
        signature=base64.b64encode(signature).decode(),
    )


def record(**changes: Any) -> NodeRecord:
    der, _ = node_key()
    return replace(
        NodeRecord(
            tee_id=tee_id_of(der),
            owner=Address("0x" + "0a" * 20),
            payment_address=Address("0x" + "aa" * 20),
            endpoint="https://node.example",
            public_key_der=der,
            tls_certificate_der=CERTIFICATE,
            pcr_hash=BUILD,
            tee_type=0,
            enabled=True,
            registered_at=NOW - 5000,
            last_heartbeat_at=NOW - 50,
        ),
        **changes,
    )


def registered(**changes: Any) -> RegistryFacts:
    return RegistryFacts(
        10740,
        Address("0x" + "0c" * 20),
        1234,
        Bytes32(b"\x0b" * 32),
        NOW - 2,
        RPC,
        record(**changes),
    )


def document(**changes: Any) -> AttestedDocument:
    """The document of an honest enclave, with ``changes`` to its payload."""
    members = {"user_data": user_data_of(CERTIFICATE, node_key()[0])} | changes
    return AttestedDocument(hypervisor().document(**members), NONCE, NOW + 1.5, BUILD)


@cache
def authorized(scheme: str = "upto", nonce: int = 2**200 + 77) -> tuple[AuthorizationFacts, bytes]:
    """What a payer signed, and the signature, by the code that pays."""
    extra = {} if scheme == "upto" else {"facilitatorAddress": None}
    offer = an_offer(scheme=scheme, extra=extra)
    data = typed_data_for(offer, owner=OWNER, profile=DEVNET, now=NOW, nonce=nonce)
    signature = asyncio.run(SIGNER.sign_typed_data(data))
    witness: Any = data.message["witness"]
    facilitator = witness.get("facilitator")
    return AuthorizationFacts(
        owner=OWNER,
        network=offer.network,
        nonce=nonce,
        max_amount=Amount(CAP),
        recipient=offer.pay_to if isinstance(offer.pay_to, Address) else Address(offer.pay_to),
        facilitator=None if facilitator is None else Address(facilitator),
        deadline=int(str(data.message["deadline"])),
        served=Amount(1500),
        calls=1,
        unpriced=0,
        resent=0,
        scheme=scheme,
        asset=DEVNET.opg,
        spender=Address(str(data.message["spender"])),
        valid_after=int(witness["validAfter"]),
    ), signature


def charged() -> PaymentStatus:
    return PaymentStatus(
        PaymentState.FINAL,
        "settled for 1500 atoms",
        amount=Amount(1500),
        transaction=Bytes32(b"\x07" * 32),
        chain_id=DEVNET.payments.chain_id,
        block_number=99,
        block_hash=Bytes32(b"\x09" * 32),
        rpcs=RPC,
        final=True,
    )


def not_charged() -> PaymentStatus:
    facts, _ = authorized()
    proof = NotChargedProof(
        DEVNET.payments.chain_id,
        120,
        Bytes32(b"\x08" * 32),
        facts.deadline + 1,
        facts.deadline,
        0,
        RPC,
    )
    return PaymentStatus(
        PaymentState.NOT_CHARGED,
        "never charged",
        chain_id=proof.chain_id,
        block_number=120,
        proof=proof,
        rpcs=RPC,
        final=True,
    )


def batched(signed: SignedFields, others: int = 4) -> DataStatus:
    """The statement in a batch of the facilitator, with its proof."""
    leaf = Leaf(
        tee_id=Bytes32(signed.tee_id),
        input_hash=Bytes32(signed.request_hash),
        output_hash=Bytes32(signed.output_hash),
        signature=base64.b64decode(signed.signature),
        timestamp=signed.timestamp,
    )
    leaves = [leaf, *(replace(leaf, timestamp=NOW + index + 1) for index in range(others))]
    tree = MerkleTree(leaves)
    proof = DataProof(
        "batch",
        10740,
        Address("0x" + "0e" * 20),
        Bytes32(b"\x0d" * 32),
        3,
        1300,
        Bytes32(b"\x0f" * 32),
        NOW + 300,
        "a-blob",
        RPC,
        tree.root,
        len(leaves),
        leaf_hash(leaf),
        tuple(tree.proof(0)),
    )
    return DataStatus(DataState.FINAL, "batch", "found on chain", NOW + 1800.0, proof, 1400)


def a_receipt(**changes: Any) -> Receipt:
    """The receipt of an answered call, with ``changes``."""
    facts, _ = authorized()
    members: dict[str, Any] = {
        "id": "rcpt_1",
        "route": "/v1/chat/completions",
        "model": "gpt-5",
        "tag": None,
        "created_at": NOW - 0.5,
        "latency": 0.5,
        "tee_id": record().tee_id,
        "endpoint": "https://node.example",
        "pcr_hash": BUILD,
        "signed": None,
        "cost": Amount(1500),
        "authorization": facts,
        "payment": charged(),
        "data": DataStatus(DataState.NONE, "private", "nothing was to be settled"),
        "uncovered": ("usage",),
        "evidence": Evidence(),
        "as_of": NOW + 500.0,
        "registered": registered(),
    }
    return Receipt(**members | changes)


def a_bundle(
    body: dict[str, object] | None = None,
    output: str = OUTPUT,
    *,
    form: Mode = Mode.JULY,
    signed: SignedFields | None = None,
    paid: bool = True,
    settled: bool = True,
    others: int = 4,
    attested: bool | AttestedDocument = False,
    include_request: bool = True,
    include_output: bool = True,
    **changes: Any,
) -> dict[str, Any]:
    """An honest bundle, as parsed."""
    body = BODY if body is None else body
    signed = signed or sign_answer(body, output, form=form)
    if settled:
        changes = {"data": batched(signed, others)} | changes
    if attested is not False:
        changes = {"attested": document() if attested is True else attested} | changes
    bundle = make_bundle(
        a_receipt(**changes),
        content=Content(body, output),
        signed=signed,
        payment_signature=authorized()[1] if paid else None,
        include_request=include_request,
        include_output=include_output,
    )
    return json.loads(json.dumps(bundle))
