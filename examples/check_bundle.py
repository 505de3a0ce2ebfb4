"""Checks a bundle (docs/bundle-format.md): python check_bundle.py bundle.json [accepted build]."""

import base64
import json
import re
import sys
from pathlib import Path

from check_attestation import AWS_ROOT, attested_build, hashed, need, once, parsed
from coincurve import PublicKey
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "bundle.schema.json").read_text())
KINDS = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list}
KINDS |= {"boolean": bool, "null": type(None)}
DOMAIN = b"EIP712Domain(string name,uint256 chainId,address verifyingContract)"
PERMIT2 = "0x000000000022d473030f116ddee9f6b43ac78ba3"
TOKEN = b"TokenPermissions(address token,uint256 amount)"
PERMIT = b"PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,"
PERMIT += b"uint256 deadline,Witness witness)" + TOKEN
HALF_ORDER = 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0


def raw(text):
    return bytes.fromhex(text[2:])


def word(value):  # the 32 bytes of a number, of its decimal text, or of an address
    hexed = str(value).startswith("0x")
    return raw(value).rjust(32, b"\0") if hexed else int(value).to_bytes(32, "big")


def unbase64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text)
    return data


def fits(value, rule):  # as much of JSON Schema as the format uses; an integer has no fraction
    if "$ref" in rule:
        return fits(value, SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]])
    if "anyOf" in rule:
        return any(fits(value, each) for each in rule["anyOf"])
    if not isinstance(value, KINDS[rule["type"]]) or value not in rule.get("enum", [value]):
        return False
    if isinstance(value, bool) != (rule["type"] == "boolean") or value != rule.get("const", value):
        return False
    if isinstance(value, dict):
        parts = rule["properties"]
        return value.keys() == parts.keys() and all(fits(value[n], parts[n]) for n in parts)
    if isinstance(value, list):
        short = len(value) <= rule.get("maxItems", 1e9)
        return short and all(fits(item, rule["items"]) for item in value)
    if isinstance(value, str):
        return re.fullmatch(rule.get("pattern", "(?s:.*)"), value) is not None
    return value is None or rule.get("minimum", value) <= value <= rule.get("maximum", value)


def schema(text):
    bundle = parsed(text.decode(), object_pairs_hook=once, parse_constant=float)
    json.dumps(bundle, ensure_ascii=False).encode()  # refuses half a surrogate pair
    need(len(text) <= 32 * 2**20 and fits(bundle, SCHEMA))
    return bundle


def authorization(signed, signature):  # EIP-712; Permit2, permitWitnessTransferFrom
    need((signed["scheme"] == "upto") == (signed["facilitator"] is not None))
    if signature is None:
        return False  # what was authorized is a claim
    between = b"address facilitator," if signed["facilitator"] else b""
    witness = b"Witness(address to," + between + b"uint256 validAfter)"
    names = ("recipient", "facilitator", "valid_after")
    to = [word(signed[name]) for name in names if signed[name] is not None]
    token = hashed(hashed(TOKEN), word(signed["asset"]), word(signed["max_amount"]))
    how = [word(signed[name]) for name in ("spender", "nonce", "deadline")]
    struct = hashed(hashed(PERMIT + witness), token, *how, hashed(hashed(witness), *to))
    where = word(signed["network"].removeprefix("eip155:")) + word(PERMIT2)
    digest = hashed(b"\x19\x01", hashed(hashed(DOMAIN), hashed(b"Permit2"), where), struct)
    flat, parity = raw(signature)[:64], raw(signature)[64] - 27
    need(parity in (0, 1) and int.from_bytes(flat[32:], "big") <= HALF_ORDER)
    key = PublicKey.from_signature_and_message(flat + bytes([parity]), digest, hasher=None)
    need("0x" + hashed(key.format(compressed=False)[1:])[12:].hex() == signed["owner"])
    return True


def payment(signed, said):  # nothing that is claimed may contradict what was signed
    chain, proof = int(signed["network"].removeprefix("eip155:")), said["proof"]
    need(said["chain_id"] in (None, chain))
    need(int(said["amount"] or 0) <= int(signed["max_amount"]))
    need(said["state"] not in ("settled", "final") or said["transaction"])
    need((said["state"] == "not charged") == (proof is not None))
    if proof:
        need((proof["chain_id"], proof["deadline"]) == (chain, signed["deadline"]))
        need(proof["block_timestamp"] > proof["deadline"])
        need(not int(proof["bitmap"]) >> (int(signed["nonce"]) & 255) & 1)
    return False  # that money moved is for the payments chain to say


def call(asked, said):
    route = "/v1/chat/completions" if "messages" in asked else "/v1/completions"
    need((asked["model"], route) == (said["model"], said["route"]))


def signature(key, said):
    public = load_der_public_key(key)
    need(isinstance(public, rsa.RSAPublicKey) and 2048 <= public.key_size <= 8192 >= len(key))
    signed = hashed(raw(said["request_hash"]), raw(said["output_hash"]), word(said["timestamp"]))
    pss = padding.PSS(padding.MGF1(SHA256()), 32)
    public.verify(unbase64(said["signature"]), signed, pss, SHA256())


def merkle(statement, proof):  # OpenZeppelin's StandardMerkleTree
    is_batch = proof["mode"] == "batch"
    tree = [proof["merkle_root"], proof["batch_size"], proof["leaf_hash"]]
    need(None not in tree if is_batch else tree == [None] * 3 and not proof["proof"])
    if not (is_batch and statement):
        return False
    sig, size = unbase64(statement["signature"]), proof["batch_size"]
    hashes = [raw(statement[name]) for name in ("tee_id", "request_hash", "output_hash")]
    tail = word(160) + word(statement["timestamp"]) + word(len(sig)) + sig + bytes(-len(sig) % 32)
    need(raw(proof["leaf_hash"]) == (node := hashed(hashed(*hashes, tail))))
    need(size and len(proof["proof"]) in (size.bit_length() - 1, (size - 1).bit_length()))
    for sibling in map(raw, proof["proof"]):
        node = hashed(min(node, sibling), max(node, sibling))
    need(raw(proof["merkle_root"]) == node)
    return True


def data(said):
    need((said["state"] in ("settled", "final")) == (said["proof"] is not None))
    need(said["mode"] != "private" or said["state"] == "none")
    need(said["proof"] is None or said["proof"]["mode"] == said["mode"])
    return False  # that the root is on chain is for the registry's chain to say


def checks(bundle, accepted, root):  # the parts that are there, each with what must hold
    said, node = bundle["statement"], (bundle["registry"] or {}).get("record")
    asked, output = bundle["request"]["canonical"], bundle["output"]["text"]
    paid, proof, claim = bundle["payment"], bundle["data"]["proof"], bundle["attestation"]
    key = node and raw(node["public_key"])
    if said and node:
        yield "tee_id", lambda: need(hashed(key) == raw(said["tee_id"]))
    if said and asked is not None:
        yield "request_hash", lambda: need(hashed(asked.encode()) == raw(said["request_hash"]))
        yield "call", lambda: call(parsed(asked), bundle["call"])
    if said and output is not None:
        yield "output_hash", lambda: need(hashed(output.encode()) == raw(said["output_hash"]))
    if said and node:
        yield "signature", lambda: signature(key, said)
    if claim and node:
        more = (node, raw(claim["nonce"]), claim["verified_at"], root)
        yield "document", lambda: attested_build(unbase64(claim["document"]), *more)
        if accepted:
            yield "attestation", lambda: need(node["pcr_hash"] in accepted)
    yield "payment_authorization", lambda: authorization(paid["authorization"], paid["signature"])
    yield "payment", lambda: payment(paid["authorization"], paid["status"])
    yield "data", lambda: data(bundle["data"])
    if proof:
        yield "merkle", lambda: merkle(said, proof)


def check(text, accepted=(), root=AWS_ROOT):
    """Return the names of the checks that passed; ValueError names the first that failed."""
    name, passed = "schema", ["schema"]
    try:
        for name, holds in checks(schema(text), accepted, root):
            passed += [name] if holds() is not False else []
    except Exception as error:  # whatever a library raises, the check did not hold
        raise ValueError(name) from error
    return passed


if __name__ == "__main__" and sys.argv[1:]:
    try:
        print("passed:", *check(Path(sys.argv[1]).read_bytes(), sys.argv[2:]))
    except ValueError as refused:
        sys.exit(f"REFUSED: {refused}")
