"""The verifier at 0x…0900: RSA-PSS on every chain, attestation documents natively on py-evm."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from opengradient_sdk.devnet.contracts import addresses, artifacts
from opengradient_sdk.devnet.node import TestRoot, devnet_pcrs, make_document, pcr_hash

VERIFIER = artifacts.load("TEEVerifier")
CERTIFICATE, KEY = b"a certificate", b"a signing key"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def verified(chain, function, *arguments, **fields):
    data = "0x" + VERIFIER.encode_call(function, *arguments).hex()
    output = await chain.ask("eth_call", {"to": addresses.TEE_VERIFIER, "data": data, **fields})
    return VERIFIER.decode_output(function, bytes.fromhex(output[2:]))


def der(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def signature(key, message, salt=32):
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    return key.sign(message, scheme, hashes.SHA256())


async def test_rsa_pss_is_really_verified(chain, key):
    message = b"\x07" * 32
    good = signature(key, message)
    flipped = good[:-1] + bytes([good[-1] ^ 1])

    async def holds(*arguments):
        return (await verified(chain, "verifyRSAPSS", *arguments))[0]

    assert await holds(der(key), message, good)
    assert not await holds(der(key), message, flipped)
    assert not await holds(der(key), b"\x08" * 32, good)
    assert not await holds(der(key), message, signature(key, message, salt=20))
    assert not await holds(der(key), message, b"\0" * 1025)
    assert not await holds(der(ec.generate_private_key(ec.SECP256R1())), message, good)
    assert not await holds(b"no key", message, good)


async def test_the_native_rsa_pss_costs_what_it_costs_in_production(pyevm, key):
    message = b"\x07" * 32
    data = VERIFIER.encode_call("verifyRSAPSS", der(key), message, signature(key, message))
    receipt = await pyevm.send(to=addresses.TEE_VERIFIER, data=data)
    zeros = data.count(0)
    intrinsic = 21_000 + 4 * zeros + 16 * (len(data) - zeros)
    assert int(receipt["gasUsed"], 16) == intrinsic + 20_000


async def test_what_is_no_function_of_the_verifier_reverts(pyevm):
    for data in ("0x", "0x12345678", "0x" + VERIFIER.selector("verifyRSAPSS").hex() + "ff"):
        error = await pyevm.refused("eth_call", {"to": addresses.TEE_VERIFIER, "data": data})
        assert (error["code"], error["data"]) == (3, "0x")
    data = "0x" + VERIFIER.encode_call("verifyRSAPSS", b"", bytes(32), b"").hex()
    poor = {"to": addresses.TEE_VERIFIER, "data": data, "gas": hex(30_000)}
    assert (await pyevm.refused("eth_call", poor))["message"] == "out of gas"


class TestAttestation:
    """Documents under a root of our own, as a Devnet's nodes have them."""

    @pytest.fixture
    def root(self):
        return TestRoot(time.time())

    def document(self, root, *, pcrs=None, now=None, certificate=CERTIFICATE, key=KEY):
        return make_document(
            root,
            tls_certificate_der=certificate,
            signing_key_der=key,
            pcrs=pcrs or devnet_pcrs(),
            now=now or time.time(),
        )

    async def build(self, chain, document, root_pem, key=KEY, certificate=CERTIFICATE):
        return await verified(chain, "verifyAttestation", document, key, certificate, root_pem)

    async def test_a_genuine_document_names_its_build(self, pyevm, root):
        answer = await self.build(pyevm, self.document(root), root.pem)
        assert answer == (True, pcr_hash(devnet_pcrs()))

    async def test_anything_else_is_refused(self, pyevm, root):
        good = self.document(root)
        refused = (False, bytes(32))
        assert await self.build(pyevm, good, TestRoot(time.time()).pem) == refused
        assert await self.build(pyevm, good, b"") == refused  # the AWS root
        assert await self.build(pyevm, good, b"not PEM") == refused
        assert await self.build(pyevm, good, root.certificate_der) == refused
        assert await self.build(pyevm, good, root.pem, key=b"another key") == refused
        assert await self.build(pyevm, good, root.pem, certificate=b"another") == refused
        assert await self.build(pyevm, good[:-1] + b"\0", root.pem) == refused
        assert await self.build(pyevm, b"", root.pem) == refused
        assert await self.build(pyevm, b"\0" * 16385, root.pem) == refused
        assert await self.build(pyevm, good, root.pem, key=b"\0" * 8193) == refused

    async def test_a_document_must_be_fresh_by_the_chains_clock(self, pyevm, root):
        refused = (False, bytes(32))
        document = self.document(root)
        pyevm.clock.advance(290)
        assert (await self.build(pyevm, document, root.pem))[0]
        pyevm.clock.advance(20)
        assert await self.build(pyevm, document, root.pem) == refused
        ahead = self.document(root, now=pyevm.clock.now() + 90)
        assert await self.build(pyevm, ahead, root.pem) == refused

    async def test_debug_mode_is_refused(self, pyevm, root):
        debug = self.document(root, pcrs=dict.fromkeys(range(3), bytes(48)))
        assert await self.build(pyevm, debug, root.pem) == (False, bytes(32))
