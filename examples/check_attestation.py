"""The attestation document of a bundle, checked without the SDK: what check_bundle.py leaves out.

The format is COSE_Sign1 around a CBOR map, as AWS Nitro enclaves make it (docs/bundle-format.md).
"""

import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from itertools import accumulate, pairwise

from Crypto.Hash import keccak
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA384

AWS_ROOT = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"  # SHA-256 of its DER
KNOWN = (x509.BasicConstraints, x509.KeyUsage)


def need(holds):
    if not holds:
        raise ValueError("it does not hold")


def once(pairs):  # no member is there twice
    need(len(dict(pairs)) == len(pairs))
    return dict(pairs)


def parsed(text, **how):  # json.loads calls itself for every level: a deep text would end it
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    need(max(accumulate((c in "[{") - (c in "]}") for c in bare), default=0) < 500)
    return json.loads(text, **how)


def hashed(*parts):
    return keccak.new(digest_bits=256, data=b"".join(parts)).digest()


def attested_build(raw, record, nonce, checked_at, root=AWS_ROOT):
    """Return the build that the document attests, having checked all that it says."""
    (protected, unprotected, payload, signature), end = cbor(raw, raw[:1] == b"\xd2")
    said, length = cbor(payload)
    need(end == len(raw) <= 2**14 and length == len(payload) and said["digest"] == "SHA384")
    need((protected, unprotected) == (b"\xa1\x01\x38\x22", {}) and len(signature) == 96)
    made = said["timestamp"] / 1000
    need(made >= 1_738_281_600 and -60 <= checked_at - made <= 300 and said["nonce"] == nonce)
    key = leaf_key(
        [*said["cabundle"], said["certificate"]], root, datetime.fromtimestamp(made, UTC)
    )
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    size = len(payload).to_bytes(2, "big")
    signed = b"\x84\x6aSignature1\x44" + protected + b"\x40\x59" + size + payload
    key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA384()))
    held = [bytes.fromhex(record[name][2:]) for name in ("tls_certificate", "public_key")]
    need(said["user_data"] == b"".join(b"\x12\x20" + sha256(each).digest() for each in held))
    pcrs = [said["pcrs"][index] for index in range(3)]
    need(all(len(pcr) == 48 and any(pcr) for pcr in pcrs))  # zeros: a debugger may be attached
    build = "0x" + hashed(*pcrs).hex()
    need(build == record["pcr_hash"])
    return build


def leaf_key(ders, root, moment):
    """Return the last certificate's key if each was issued by the one before, from the root on."""
    need(sha256(ders[0]).hexdigest() == root)
    chain = [x509.load_der_x509_certificate(der) for der in ders]
    for below, one in enumerate(reversed(chain), start=-1):
        need(one.not_valid_before_utc <= moment <= one.not_valid_after_utc)
        need(
            not any(each.critical and not isinstance(each.value, KNOWN) for each in one.extensions)
        )
        found = {type(each.value): each.value for each in one.extensions}
        usage = found.get(x509.KeyUsage)
        need(isinstance(one.public_key().curve, ec.SECP384R1))
        if below < 0:
            need(usage is None or usage.digital_signature)
        else:
            basic = found[x509.BasicConstraints]
            need(basic.ca and (basic.path_length is None or below <= basic.path_length))
            need(usage is None or usage.key_cert_sign)
    for issuer, subject in pairwise(chain):
        need(isinstance(subject.signature_hash_algorithm, SHA384))
        subject.verify_directly_issued_by(issuer)
    return chain[-1].public_key()


def cbor(data, at=0):
    """Return the item at a place and where it ends (RFC 8949, as far as documents use it)."""
    major, code = divmod(data[at], 32)
    size = 1 << code - 24 if 24 <= code <= 27 else 0
    count = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else code
    at += 1 + size
    if major in (2, 3):
        need(at + count <= len(data))
        text = data[at : at + count]
        return (text if major == 2 else text.decode()), at + count
    if major in (4, 5):
        items, is_open = [], (major, code) == (5, 31)  # the hypervisor does not close its map
        while data[at] != 0xFF if is_open else len(items) < count * (major - 3):
            item, at = cbor(data, at)
            items.append(item)
        if major == 4:
            return items, at
        members = dict(zip(items[::2], items[1::2], strict=True))
        need(2 * len(members) == len(items))
        return members, at + is_open
    need(major < 2 or (major, code) == (7, 22))
    return (None if major == 7 else count if major == 0 else -1 - count), at
