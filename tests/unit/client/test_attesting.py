"""What an attestation document must say before a node is paid, and how often it is asked for."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk import Address, Bytes32, CheckStatus, Trust
from opengradient_sdk._core.clock import Clock, ShiftedClock
from opengradient_sdk.client.attesting import MAX_PROOF_AGE, Attesting
from opengradient_sdk.devnet.node import TestRoot, devnet_pcrs, make_document, pcr_hash
from opengradient_sdk.errors import (
    AttestationError,
    ConfigurationError,
    NodeProtocolError,
    Spent,
    VerificationError,
)
from opengradient_sdk.network import NodeRecord
from opengradient_sdk.types import keccak256
from opengradient_sdk.verification import Evidence

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
    """Stands for a connection to a node that hands out documents as it is told."""

    def __init__(
        self,
        pcrs: Mapping[int, bytes] = BUILD,
        *,
        record: NodeRecord = NODE,
        old_nonce: bytes | None = None,
        failure: NodeProtocolError | None = None,
    ) -> None:
        self.record = record
        self.asked: list[bytes] = []
        self.has_been_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._pcrs = pcrs
        self._old_nonce = old_nonce
        self._failure = failure

    async def attestation(self, nonce: bytes) -> str:
        self.asked.append(nonce)
        self.has_been_asked.set()
        await self.may_answer.wait()
        if self._failure is not None:
            raise self._failure
        document = make_document(
            ROOT,
            tls_certificate_der=CERTIFICATE,
            signing_key_der=KEY,
            pcrs=self._pcrs,
            now=CLOCK.now(),
            nonce=self._old_nonce or nonce,
        )
        return base64.b64encode(document).decode()


def attesting(clock: Clock = CLOCK) -> Attesting:
    both = frozenset({pcr_hash(BUILD), pcr_hash(ANOTHER_BUILD)})
    return Attesting(Trust(measurements=both, attestation_root=ROOT.pem), clock)


def step_of(error: VerificationError) -> str:
    """The step that failed: the error names it, and the node, and says that nothing was paid."""
    assert isinstance(error.evidence, Evidence)
    (check,) = error.evidence.checks
    assert check.name == "attestation"
    assert check.status is CheckStatus.FAILED
    assert check.reason in error.short_message
    assert str(NODE.tee_id) in error.short_message
    assert error.spent is Spent.NO
    assert "cost nothing" in error.hint
    return check.reason.split(":")[0]


async def test_a_node_is_asked_once_with_a_nonce_of_ours() -> None:
    room, node = attesting(), ScriptedConnection()
    for _ in range(2):
        await room.prove(node)  # type: ignore[arg-type]
    assert [len(nonce) for nonce in node.asked] == [20]
    assert room.check(NODE).status is CheckStatus.PASSED


@pytest.mark.parametrize(
    "changes",
    [
        {"public_key_der": b"another key"},
        {"tls_certificate_der": b"another certificate"},
        {"pcr_hash": pcr_hash(ANOTHER_BUILD)},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_another_key_certificate_or_build_is_another_node(changes: dict[str, Any]) -> None:
    room, node = attesting(), ScriptedConnection()
    await room.prove(node)  # type: ignore[arg-type]
    other = replace(NODE, **changes)
    assert room.check(other).status is CheckStatus.NOT_CHECKED
    assert room.document(other) is None
    with pytest.raises(AttestationError):  # it is asked, and hands out a document of the first
        await room.prove(ScriptedConnection(record=other))  # type: ignore[arg-type]


async def test_a_document_made_for_somebody_else_is_a_replay() -> None:
    room, node = attesting(), ScriptedConnection(old_nonce=bytes(20))
    with pytest.raises(AttestationError, match="not made for this question") as caught:
        await room.prove(node)  # type: ignore[arg-type]
    assert step_of(caught.value) == "nonce"
    assert room.check(NODE).status is CheckStatus.NOT_CHECKED


async def test_a_node_must_run_the_build_that_the_registry_says() -> None:
    """Both builds are accepted; what is attested and what is registered still must be one."""
    room, node = attesting(), ScriptedConnection(ANOTHER_BUILD)
    with pytest.raises(AttestationError, match="the registry says") as caught:
        await room.prove(node)  # type: ignore[arg-type]
    assert step_of(caught.value) == "pcr"
    assert room.check(NODE).status is CheckStatus.NOT_CHECKED


async def test_what_was_proven_is_kept_with_its_document() -> None:
    room, node = attesting(), ScriptedConnection()
    assert room.document(NODE) is None
    await room.prove(node)  # type: ignore[arg-type]
    document = room.document(NODE)
    assert document is not None
    assert document.nonce == node.asked[0]
    assert document.pcr_hash == NODE.pcr_hash
    source = room.check(NODE).source
    assert f"nonce {document.nonce.hex()}" in source
    assert f"verified at {document.verified_at:.3f}" in source
    assert str(NODE.pcr_hash) in source
    assert "the root in trust" in source


async def test_a_heartbeat_makes_no_new_node() -> None:
    room, node = attesting(), ScriptedConnection()
    await room.prove(node)  # type: ignore[arg-type]
    alive = replace(NODE, last_heartbeat_at=5)
    await room.prove(ScriptedConnection(record=alive))  # type: ignore[arg-type]
    assert room.check(alive).status is CheckStatus.PASSED
    assert len(node.asked) == 1


async def test_an_old_proof_is_asked_for_again_by_the_clients_clock() -> None:
    clock = ShiftedClock()
    room, node = attesting(clock), ScriptedConnection()
    await room.prove(node)  # type: ignore[arg-type]
    first = room.document(NODE)
    clock.advance(MAX_PROOF_AGE)
    with pytest.raises(AttestationError, match="freshness") as caught:
        await room.prove(node)  # type: ignore[arg-type]  # this hypervisor's clock stood still
    assert step_of(caught.value) == "freshness"
    assert room.document(NODE) is first
    assert len(node.asked) == 2


class HandClock:
    """A clock that is moved by hand, also back."""

    def __init__(self, time: float) -> None:
        self.time = time

    def now(self) -> float:
        return self.time


async def test_a_proof_from_the_future_of_a_clock_that_was_set_back_is_not_taken() -> None:
    clock = HandClock(CLOCK.now())
    room, node = attesting(clock), ScriptedConnection()
    await room.prove(node)  # type: ignore[arg-type]
    clock.time -= 1
    await room.prove(node)  # type: ignore[arg-type]
    assert len(node.asked) == 2


async def test_a_shorter_life_of_a_proof_can_be_chosen() -> None:
    trust = Trust(measurements=frozenset({NODE.pcr_hash}), attestation_root=ROOT.pem)
    room, node = Attesting(trust, CLOCK, max_age=0.0), ScriptedConnection()
    for _ in range(2):
        await room.prove(node)  # type: ignore[arg-type]
    assert len(set(node.asked)) == 2


async def test_callers_at_once_share_one_question() -> None:
    room, node = attesting(), ScriptedConnection()
    node.may_answer.clear()
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(room.prove(node))  # type: ignore[arg-type]
        await node.has_been_asked.wait()
        node.may_answer.set()
    assert len(node.asked) == 1


async def test_callers_at_once_share_one_failure_and_the_next_asks_again() -> None:
    room, node = attesting(), ScriptedConnection(old_nonce=bytes(20))
    node.may_answer.clear()
    asking = [asyncio.create_task(room.prove(node)) for _ in range(3)]  # type: ignore[arg-type]
    await node.has_been_asked.wait()
    node.may_answer.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [AttestationError] * 3
    assert len(node.asked) == 1
    with pytest.raises(AttestationError):
        await room.prove(node)  # type: ignore[arg-type]
    assert len(node.asked) == 2


async def test_one_callers_cancellation_is_not_the_others() -> None:
    room, node = attesting(), ScriptedConnection()
    node.may_answer.clear()
    first = asyncio.create_task(room.prove(node))  # type: ignore[arg-type]
    await node.has_been_asked.wait()
    second = asyncio.create_task(room.prove(node))  # type: ignore[arg-type]
    first.cancel()
    node.may_answer.set()
    await second
    assert first.cancelled()
    assert room.check(NODE).status is CheckStatus.PASSED


async def test_a_node_without_a_document_says_so() -> None:
    room = attesting()
    node = ScriptedConnection(failure=NodeProtocolError(f"node {NODE.tee_id} gave none (404)"))
    with pytest.raises(NodeProtocolError, match=str(NODE.tee_id)):
        await room.prove(node)  # type: ignore[arg-type]
    assert room.check(NODE).status is CheckStatus.NOT_CHECKED


async def test_no_document_proves_a_build_that_nobody_accepts() -> None:
    node = ScriptedConnection()
    room = Attesting(Trust(attestation_root=ROOT.pem), CLOCK)
    for ask in (room.prove(node), room.prove_later(node, signed_at=0.0)):  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="trust accepts none") as caught:
            await ask
        assert "measurements" in caught.value.hint
    assert node.asked == []


async def test_a_build_that_is_not_accepted_is_not_asked() -> None:
    node = ScriptedConnection()
    other = Trust(measurements=frozenset({pcr_hash(ANOTHER_BUILD)}), attestation_root=ROOT.pem)
    with pytest.raises(AttestationError, match="which is not accepted") as caught:
        await Attesting(other, CLOCK).prove(node)  # type: ignore[arg-type]
    assert step_of(caught.value) == "pcr"
    assert node.asked == []


async def test_the_root_is_that_of_aws_unless_trust_says_otherwise() -> None:
    room = Attesting(Trust(measurements=frozenset({NODE.pcr_hash})), CLOCK)
    with pytest.raises(AttestationError, match=r"aws\.nitro-enclaves") as caught:
        await room.prove(ScriptedConnection())  # type: ignore[arg-type]
    assert step_of(caught.value) == "certificate_chain"


async def test_a_later_document_says_how_much_later_it_is() -> None:
    room, node = attesting(), ScriptedConnection()
    signed_at = CLOCK.now() - 5000
    check, document = await room.prove_later(node, signed_at=signed_at)  # type: ignore[arg-type]
    assert check.status is CheckStatus.PASSED
    assert check.name == "attestation"
    assert "s after the answer, by the same key" in check.reason
    assert document.nonce.hex() in check.source
    assert room.document(NODE) is document


async def test_an_earlier_document_is_taken_as_it_is() -> None:
    room, node = attesting(), ScriptedConnection()
    await room.prove(node)  # type: ignore[arg-type]
    signed_at = CLOCK.now() + 5
    check, document = await room.prove_later(node, signed_at=signed_at)  # type: ignore[arg-type]
    assert check == room.check(NODE)
    assert document is room.document(NODE)
    assert len(node.asked) == 1
