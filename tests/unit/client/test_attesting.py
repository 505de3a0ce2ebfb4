"""What an attestation document must say before a node is paid."""

import base64
from collections.abc import Mapping
from dataclasses import replace

import pytest

from opengradient_sdk import Address, Bytes32, CheckStatus, Trust
from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.client.attesting import Attesting
from opengradient_sdk.devnet.node import TestRoot, devnet_pcrs, make_document, pcr_hash
from opengradient_sdk.errors import AttestationError
from opengradient_sdk.network import NodeRecord
from opengradient_sdk.types import keccak256

CLOCK = ShiftedClock()
ROOT = TestRoot(CLOCK.now())
BUILD = devnet_pcrs("one")
ANOTHER_BUILD = devnet_pcrs("another")
KEY, CERTIFICATE = b"a signing key", b"a certificate"
NODE = NodeRecord(
    tee_id=Bytes32(keccak256(KEY)),
    owner=Address("0x" + "11" * 20),
    payment_address=Address("0x" + "22" * 20),
    endpoint="https://node.invalid",
    public_key_der=KEY,
    tls_certificate_der=CERTIFICATE,
    pcr_hash=pcr_hash(BUILD),
    tee_type=0,
    enabled=True,
    registered_at=0,
    last_heartbeat_at=0,
)


class ScriptedConnection:
    """A node that hands out documents as it is told."""

    def __init__(
        self, pcrs: Mapping[int, bytes] = BUILD, *, old_nonce: bytes | None = None
    ) -> None:
        self.record = NODE
        self.asked: list[bytes] = []
        self._pcrs = pcrs
        self._old_nonce = old_nonce

    async def attestation(self, nonce: bytes) -> str:
        self.asked.append(nonce)
        document = make_document(
            ROOT,
            tls_certificate_der=CERTIFICATE,
            signing_key_der=KEY,
            pcrs=self._pcrs,
            now=CLOCK.now(),
            nonce=self._old_nonce or nonce,
        )
        return base64.b64encode(document).decode()


def attesting() -> Attesting:
    both = frozenset({pcr_hash(BUILD), pcr_hash(ANOTHER_BUILD)})
    return Attesting(Trust(measurements=both, attestation_root=ROOT.pem), CLOCK)


async def test_a_node_is_asked_once_with_a_nonce_of_ours() -> None:
    room, node = attesting(), ScriptedConnection()
    for _ in range(2):
        await room.prove(node)  # type: ignore[arg-type]
    assert [len(nonce) for nonce in node.asked] == [20]
    assert room.check(NODE).status is CheckStatus.PASSED
    restarted = replace(NODE, tls_certificate_der=b"another certificate")
    assert room.check(restarted).status is CheckStatus.NOT_CHECKED


async def test_a_document_made_for_somebody_else_is_a_replay() -> None:
    room, node = attesting(), ScriptedConnection(old_nonce=bytes(20))
    with pytest.raises(AttestationError, match="not made for this question"):
        await room.prove(node)  # type: ignore[arg-type]
    assert room.check(NODE).status is CheckStatus.NOT_CHECKED


async def test_a_node_must_run_the_build_that_the_registry_says() -> None:
    """Both builds are accepted; what is attested and what is registered still must be one."""
    room, node = attesting(), ScriptedConnection(ANOTHER_BUILD)
    with pytest.raises(AttestationError, match="the registry says"):
        await room.prove(node)  # type: ignore[arg-type]
    assert room.check(NODE).status is CheckStatus.NOT_CHECKED
