"""Bundles spoilt in one place each, with the check that must say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from opengradient_sdk.errors import (
    AttestationError,
    OutputHashError,
    RequestHashError,
    SettlementError,
    SignatureError,
    VerificationError,
)
from opengradient_sdk.verification import user_data_of

from ...verification.nitro_maker import CA, NO_CA, NOW, PCRS, Hypervisor, key_usage
from .maker import (
    BODY,
    CERTIFICATE,
    OUTPUT,
    a_bundle,
    authorized,
    batched,
    document,
    hypervisor,
    node_key,
    not_charged,
    sign_answer,
)

Change = Callable[[dict[str, Any]], "dict[str, Any] | str | bytes | None"]
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
OTHER_HASH = "0x" + "12" * 32
STRANGER = "0x" + "bb" * 20


@dataclass(frozen=True)
class Corruption:
    """One broken artefact. ``change`` alters a whole, attested bundle or returns another one."""

    name: str
    check: str
    error: type[VerificationError]
    change: Change

    def text(self) -> bytes:
        bundle = a_bundle(attested=True)
        changed = self.change(bundle)
        result = bundle if changed is None else changed
        if isinstance(result, bytes):
            return result
        return (result if isinstance(result, str) else json.dumps(result)).encode()


ALL: list[Corruption] = []


def _add(name: str, check: str, error: type[VerificationError], change: Change) -> None:
    ALL.append(Corruption(name, check, error, change))


def _set(path: str, value: Any) -> Change:
    """Set the member at ``path``; a function gets the old value."""

    def change(bundle: dict[str, Any]) -> None:
        *above, last = path.split(".")
        part = bundle
        for step in above:
            part = part[step]
        assert last in part
        new = value(part[last]) if callable(value) else value
        assert new != part[last] or type(new) is not type(part[last]), "nothing was changed"
        part[last] = new

    return change


def _without(path: str) -> Change:
    def change(bundle: dict[str, Any]) -> None:
        *above, last = path.split(".")
        part = bundle
        for step in above:
            part = part[step]
        del part[last]

    return change


def _with(path: str, name: str, value: Any) -> Change:
    def change(bundle: dict[str, Any]) -> None:
        part = bundle
        for step in path.split(".") if path else ():
            part = part[step]
        part[name] = value

    return change


def _text(change: Callable[[str], str]) -> Change:
    def changed(bundle: dict[str, Any]) -> str:
        text = json.dumps(bundle)
        assert change(text) != text
        return change(text)

    return changed


def _other_digit(text: str) -> str:
    return text[:-1] + ("1" if text[-1] != "1" else "2")


# --- the document itself
def _schema(name: str, change: Change) -> None:
    _add(name, "schema", VerificationError, change)


_schema("not JSON", _text(lambda text: text[:-1]))
_schema("something after it", _text(lambda text: text + "{}"))
_schema("an array", _text(lambda text: f"[{text}]"))
_schema("not UTF-8", lambda bundle: json.dumps(bundle).encode() + b"\xff")
_schema("UTF-16", lambda bundle: json.dumps(bundle).encode("utf-16"))
_schema("another version", _set("schema", "opengradient.bundle/2"))
_schema("an unknown member", _with("", "note", "trust me"))
_schema("an unknown member deep inside", _with("payment.status", "paid", value=True))
_schema("a missing member", _without("uncovered"))
_schema("a missing member deep inside", _without("registry.record.endpoint"))
_schema("a member twice", _text(lambda text: text.replace('"id":', '"id": "rcpt_2", "id":', 1)))
_schema(
    "a member twice deep inside",
    _text(lambda text: text.replace('"nonce":', '"nonce": "7", "nonce":', 1)),
)
_schema("NaN", _text(lambda text: text.replace('"as_of": ', '"as_of": NaN, "x": ', 1)))
_schema("NaN for null", _text(lambda text: text.replace('"run": null', '"run": NaN', 1)))
_schema("infinity", _set("as_of", float("inf")))
_schema("a float beyond all floats", _text(lambda t: t.replace('"as_of": ', '"as_of": 1e999', 1)))
_schema("a huge integer", _set("registry.block_number", 10**30))
_schema("an integer that readers round", _set("registry.block_number", 2**53))
_schema("a negative time", _set("created_at", -1.0))
_schema("a fraction of a block", _set("registry.block_number", 1234.0))
_schema("a boolean for a number", _set("registry.record.tee_type", value=False))
_schema("a number for a boolean", _set("payment.status.final", 1))
_schema("a number for text", _set("payment.authorization.nonce", 7))
_schema("null for an object", _set("call", None))
_schema("half a surrogate pair", _set("id", "rcpt_\ud800"))
_schema("upper-case hex", _set("statement.output_hash", lambda h: "0x" + h[2:].upper()))
_schema("hex without 0x", _set("statement.output_hash", lambda digest: digest[2:]))
_schema("a line end behind hex", _set("statement.output_hash", lambda digest: digest + "\n"))
_schema("an address with checksum", _set("payment.authorization.owner", "0x" + "Aa" * 20))
_schema("half a byte", _set("registry.record.tls_certificate", "0x123"))
_schema("leading zeros in an amount", _set("payment.authorization.max_amount", "0100"))
_schema("a fraction of an atom", _set("payment.status.amount", "1.5"))
_schema("an unknown payment state", _set("payment.status.state", "refunded"))
_schema("an unknown route", _set("call.route", "/v1/embeddings"))
_schema("a network of another kind", _set("payment.authorization.network", "solana:1"))
_schema("a disabled node", _set("registry.record.enabled", value=False))
_schema("a path without end", _set("data.proof.proof", [OTHER_HASH] * 65))
_schema("a short payer's signature", _set("payment.signature", lambda text: text[:-2]))
_schema("nested without end", lambda _: '{"id":' + "[" * 200_000)

# --- the answer
_add("another node's id", "tee_id", VerificationError, _set("statement.tee_id", OTHER_HASH))
_add(
    "another node's key",
    "tee_id",
    VerificationError,
    _set("registry.record.public_key", "0x" + node_key("key2")[0].hex()),
)
_add(
    "another question",
    "request_hash",
    RequestHashError,
    _set("request.canonical", lambda text: text.replace("Hi", "Ho")),
)
_add(
    "the same question spelt otherwise",
    "request_hash",
    RequestHashError,
    _set("request.canonical", lambda text: text.replace('": ', '":')),
)
_add(
    "another hash of the question",
    "request_hash",
    RequestHashError,
    _set("statement.request_hash", OTHER_HASH),
)
_add("another model", "call", VerificationError, _set("call.model", "gpt-5-mini"))
_add("another route", "call", VerificationError, _set("call.route", "/v1/completions"))
_add("another answer", "output_hash", OutputHashError, _set("output.text", "Hello where!"))
_add("an empty answer", "output_hash", OutputHashError, _set("output.text", ""))
_add(
    "another hash of the answer",
    "output_hash",
    OutputHashError,
    _set("statement.output_hash", OTHER_HASH),
)
_add("another time", "signature", SignatureError, _set("statement.timestamp", NOW + 1))
_add(
    "a signature cut short",
    "signature",
    SignatureError,
    _set("statement.signature", lambda text: text[:-4]),
)
_add(
    "a signature with spare bits",
    "signature",
    SignatureError,
    _set("statement.signature", lambda text: text[:-3] + chr(ord(text[-3]) + 1) + text[-2:]),
)
_add(
    "a signature that is no base64",
    "signature",
    SignatureError,
    _set("statement.signature", lambda text: text[:-3]),
)
_add(
    "another answer's signature",
    "signature",
    SignatureError,
    _set("statement.signature", sign_answer(BODY, "Bye").signature),
)


def _hidden(bundle: dict[str, Any]) -> None:
    """Content is left out, and its hashes exchanged."""
    bundle["request"]["canonical"] = bundle["output"]["text"] = None
    said = bundle["statement"]
    said["request_hash"], said["output_hash"] = said["output_hash"], said["request_hash"]


_add("hashes exchanged, content left out", "signature", SignatureError, _hidden)


# --- the attestation document
def _attested(name: str, change: Change) -> None:
    _add(name, "document", AttestationError, change)


def _documented(**changes: Any) -> Change:
    return lambda _: a_bundle(attested=document(**changes))


def _under(machine: Hypervisor) -> Change:
    """The same statement, by another hypervisor."""
    raw = machine.document(user_data=user_data_of(CERTIFICATE, node_key()[0]))
    return lambda _: a_bundle(attested=replace(document(), document=raw))


def _same_root(**changes: Any) -> Hypervisor:
    """A hypervisor below the trusted root, whose zone or leaf is spoilt."""
    from ...verification.nitro_maker import Authority

    root = hypervisor().root
    zone = Authority("zone", **({"issuer": root} | changes.get("zone", {})))
    leaf = {"issuer": zone, "extensions": (NO_CA,)} | changes.get("leaf", {})
    return Hypervisor(root, zone, Authority("leaf", **leaf))


_attested(
    "a document that is no base64", _set("attestation.document", lambda text: text.rstrip("=")[:-1])
)
_attested("no CBOR", _set("attestation.document", "AAAA"))
_attested(
    "a bit of the payload",
    _set(
        "attestation.document",
        lambda text: text[:2000] + ("A" if text[2000] != "A" else "B") + text[2001:],
    ),
)
_attested(
    "something after the document",
    _set("attestation.document", lambda text: text.rstrip("=") + "AAAA"),
)
_attested("another nonce", _set("attestation.nonce", "0x" + "77" * 20))
_attested("no nonce in it", _documented(nonce=None))
_attested("checked long after", _set("attestation.verified_at", NOW + 301.0))
_attested("checked long before", _set("attestation.verified_at", NOW - 61.0))
_attested("another certificate", _set("registry.record.tls_certificate", "0x300161"))
_attested("a document of another key", _documented(user_data=user_data_of(CERTIFICATE, b"x")))
_attested("no user data", _documented(user_data=None))
_attested("a record of another build", _set("registry.record.pcr_hash", OTHER_HASH))
_attested("debug mode", _documented(pcrs=PCRS | {0: bytes(48)}))
_attested("a measurement missing", _documented(pcrs={0: PCRS[0], 1: PCRS[1]}))
_attested("another digest", _documented(digest="SHA256"))
_attested("from before the network", _documented(timestamp=1_700_000_000_000))
_attested("another root", _under(Hypervisor.new()))
_attested("a leaf that is over", _under(_same_root(leaf={"valid_to": NOW - 1})))
_attested("a zone that may not issue", _under(_same_root(zone={"extensions": (NO_CA,)})))
_attested(
    "a zone whose key is not for it",
    _under(_same_root(zone={"extensions": (CA, key_usage(crl_sign=True))})),
)
_add(
    "a build nobody accepts",
    "attestation",
    AttestationError,
    lambda _: a_bundle(attested=_other_build(), registered=_record_of_it()),
)


def _other_build() -> Any:
    return document(pcrs=PCRS | {0: b"\x09" * 48})


def _record_of_it() -> Any:
    from opengradient_sdk.verification import pcr_hash_of

    from .maker import registered

    return registered(pcr_hash=pcr_hash_of(b"\x09" * 48, PCRS[1], PCRS[2]))


# --- the payment
def _unauthorized(name: str, change: Change) -> None:
    _add(name, "payment_authorization", SignatureError, change)


for _member, _value in {
    "owner": STRANGER,
    "asset": STRANGER,
    "spender": STRANGER,
    "recipient": STRANGER,
    "facilitator": STRANGER,
    "network": "eip155:8453",
    "max_amount": str(10**18),
    "nonce": "78",
    "valid_after": 1,
    "deadline": NOW + 9999,
}.items():
    _unauthorized(
        f"another {_member} of the payment", _set(f"payment.authorization.{_member}", _value)
    )
_unauthorized("a number beyond 256 bits", _set("payment.authorization.nonce", "9" * 78))
_unauthorized("upto without a facilitator", _set("payment.authorization.facilitator", None))
_unauthorized("exact with a facilitator", _set("payment.authorization.scheme", "exact"))
_unauthorized(
    "another payer's signature", _set("payment.signature", "0x" + authorized(nonce=5)[1].hex())
)
_unauthorized("a signature by nobody", _set("payment.signature", "0x" + "ff" * 64 + "1b"))
_unauthorized("an odd recovery number", _set("payment.signature", lambda text: text[:-2] + "1d"))


def _mirrored(text: str) -> str:
    """The same signature with s in the upper half: a second text for one signature."""
    r, s, v = text[2:66], int(text[66:130], 16), int(text[130:], 16)
    return f"0x{r}{ORDER - s:064x}{55 - v:02x}"


_unauthorized("the mirrored signature", _set("payment.signature", _mirrored))


def _impossible(name: str, change: Change) -> None:
    _add(name, "payment", SettlementError, change)


def _uncharged(path: str, value: Any) -> Change:
    def change(_: dict[str, Any]) -> dict[str, Any]:
        bundle = a_bundle(attested=True, payment=not_charged())
        _set(path, value)(bundle)
        return bundle

    return change


_impossible("more charged than authorized", _set("payment.status.amount", str(10**17 + 1)))
_impossible("charged on another chain", _set("payment.status.chain_id", 8453))
_impossible("charged without a transaction", _set("payment.status.transaction", None))
_impossible("not charged without a proof", _set("payment.status.state", "not charged"))
_impossible("charged with a proof of the contrary", _uncharged("payment.status.state", "settled"))
_impossible("a proof of another chain", _uncharged("payment.status.proof.chain_id", 1))
_impossible("a proof of another deadline", _uncharged("payment.status.proof.deadline", 1))
_impossible(
    "a proof from before the deadline",
    _uncharged("payment.status.proof.block_timestamp", NOW),
)
_impossible("a proof with the nonce used", _uncharged("payment.status.proof.bitmap", str(1 << 77)))


# --- the settlement of the hashes
def _unsettled(name: str, check: str, change: Change) -> None:
    _add(name, check, SettlementError, change)


_unsettled("settled without a proof", "data", _set("data.proof", None))
_unsettled("promised with a proof", "data", _set("data.state", "promised"))
_unsettled("private and settled", "data", _set("data.mode", "private"))
_unsettled("asked as another mode", "data", _set("data.mode", "individual"))
_unsettled("settled as another mode", "data", _set("data.proof.mode", "individual"))
_unsettled("another root of the tree", "merkle", _set("data.proof.merkle_root", OTHER_HASH))
_unsettled("another leaf", "merkle", _set("data.proof.leaf_hash", OTHER_HASH))
_unsettled(
    "another sibling", "merkle", _set("data.proof.proof", lambda path: [OTHER_HASH, *path[1:]])
)
_unsettled("siblings in another order", "merkle", _set("data.proof.proof", lambda path: path[::-1]))
_unsettled("a path too short", "merkle", _set("data.proof.proof", lambda path: path[:-1]))
_unsettled("no leaves", "merkle", _set("data.proof.batch_size", 0))
_unsettled("a thousand leaves", "merkle", _set("data.proof.batch_size", 1000))
_unsettled("a batch without a root", "merkle", _set("data.proof.merkle_root", None))
_unsettled(
    "another statement's proof",
    "merkle",
    lambda _: a_bundle(attested=True, data=batched(sign_answer(BODY, OUTPUT, at=NOW - 1))),
)


def _individual_with_tree(bundle: dict[str, Any]) -> None:
    bundle["data"]["mode"] = bundle["data"]["proof"]["mode"] = "individual"


_unsettled("an individual settlement with a tree", "merkle", _individual_with_tree)
