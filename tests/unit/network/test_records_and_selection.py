"""Which records can be used, and which node is chosen."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.chain.contracts.tee_info import TeeInfo
from opengradient_sdk.errors import ConfigurationError, NoNodeAvailableError
from opengradient_sdk.ledger.facts import record_document
from opengradient_sdk.network import NodeHealth, NodeRecord, RegistrySnapshot, choose_node
from opengradient_sdk.network.records import sort_out
from opengradient_sdk.types import Address, Bytes32, keccak256

OWNER = Address("0x" + "22" * 20)
RSA = bytes.fromhex("300d06092a864886f70d0101010500")


def der(content: bytes) -> bytes:
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


def info(number: int = 1, **changes: object) -> TeeInfo:
    made = TeeInfo(
        owner=OWNER,
        payment_address=OWNER,
        endpoint=f"https://10.0.0.{number}",
        public_key=der(RSA + bytes([number]) * 256),
        tls_certificate=der(b"\x30\x82certificate"),
        pcr_hash=Bytes32(b"\x01" * 32),
        tee_type=0,
        enabled=True,
        registered_at=1,
        last_heartbeat_at=2,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def snapshot(*infos: TeeInfo) -> RegistrySnapshot:
    nodes, skipped = sort_out(infos)
    return RegistrySnapshot(
        chain_id=1,
        registry=OWNER,
        block_number=100,
        block_hash=Bytes32(bytes(32)),
        block_timestamp=1,
        read_at=1.0,
        rpc_urls=(),
        nodes=nodes,
        skipped=skipped,
        layout="july",
    )


def test_a_heartbeat_makes_no_other_node() -> None:
    before, after = (NodeRecord.from_info(info(last_heartbeat_at=at)) for at in (2, 900))
    assert before == after
    assert hash(before) == hash(after)
    assert record_document(before) != record_document(after)
    assert NodeRecord.from_json(after.to_json()).last_heartbeat_at == 900


@pytest.mark.parametrize(
    "endpoint",
    ["https://1.2.3.4", "https://1.2.3.4/", "https://node.example:8443", "https://[::1]:443/base"],
)
def test_https_endpoints_are_used_as_registered(endpoint: str) -> None:
    record = NodeRecord.from_info(info(endpoint=endpoint))
    assert record.endpoint == endpoint
    assert record.tee_id == keccak256(record.public_key_der)
    assert record.public_key_der.hex() not in repr(record)


def test_a_short_certificate_is_measured_too() -> None:
    assert NodeRecord.from_info(info(tls_certificate=b"\x30\x02\x30\x00")).enabled


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"endpoint": ""}, "not https"),
        ({"endpoint": "http://1.2.3.4"}, "not https"),
        ({"endpoint": "https://"}, "not https"),
        ({"endpoint": "https://1.2.3.4:0"}, "not https"),
        ({"endpoint": "https://1.2.3.4:x"}, "not a URL"),
        ({"endpoint": "https://[1.2.3.4"}, "not a URL"),
        ({"endpoint": "https://a b"}, "characters"),
        ({"endpoint": "https://a\\b"}, "characters"),
        ({"endpoint": "https://exämple"}, "characters"),
        ({"endpoint": "https://a\r\nX: y"}, "characters"),
        ({"endpoint": "https://user:secret@a"}, "more than a host"),
        ({"endpoint": "https://a?b"}, "more than a host"),
        ({"endpoint": "https://a#b"}, "more than a host"),
        ({"public_key": b""}, "not an RSA"),
        ({"public_key": der(b"\x30\x05hello")}, "not an RSA"),
        ({"public_key": der(RSA)[:-1]}, "not an RSA"),
        ({"tls_certificate": b""}, "certificate"),
        ({"tls_certificate": der(b"\x30") + b"more"}, "certificate"),
        ({"tls_certificate": der(b"\x02")}, "certificate"),
        ({"tls_certificate": b"\x31\x01\x30"}, "certificate"),
        ({"enabled": False}, "not enabled"),
    ],
)
def test_records_that_cannot_be_used_are_skipped_by_reason(
    changes: dict[str, object], reason: str
) -> None:
    bad = info(**changes)
    nodes, ((tee_id, said),) = sort_out([bad, info(2)])
    assert [node.endpoint for node in nodes] == ["https://10.0.0.2"]
    assert tee_id == keccak256(bad.public_key)
    assert reason in said


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
def health(clock: ShiftedClock) -> NodeHealth:
    return NodeHealth(clock)


def test_every_node_gets_its_turn(health: NodeHealth) -> None:
    listed = snapshot(info(1), info(2), info(3))
    rng = random.Random(7)
    chosen = {choose_node(listed, health=health, rng=rng).endpoint for _ in range(50)}
    assert chosen == {"https://10.0.0.1", "https://10.0.0.2", "https://10.0.0.3"}


def test_a_node_that_failed_is_avoided_for_a_while(health: NodeHealth, clock: ShiftedClock) -> None:
    listed = snapshot(info(1), info(2))
    bad, good = listed.nodes
    health.mark_failed(bad.tee_id, "it timed out", clock.now() + 60)
    rng = random.Random(7)
    assert {choose_node(listed, health=health, rng=rng) for _ in range(20)} == {good}
    clock.advance(61)
    assert {choose_node(listed, health=health, rng=rng) for _ in range(20)} == {bad, good}


def test_a_node_that_recovered_is_used_again(health: NodeHealth, clock: ShiftedClock) -> None:
    listed = snapshot(info(1))
    (node,) = listed.nodes
    health.mark_failed(node.tee_id, "it timed out", clock.now() + 60)
    assert health.complaint(node.tee_id) == "it timed out"
    health.mark_recovered(node.tee_id)
    assert choose_node(listed, health=health, rng=random.Random(7)) is node


def test_nodes_that_were_tried_are_left_out(health: NodeHealth) -> None:
    listed = snapshot(info(1), info(2))
    first, second = listed.nodes
    rng = random.Random(7)
    assert choose_node(listed, health=health, rng=rng, exclude={first.tee_id}) is second


def test_when_no_node_is_left_the_error_says_why_by_node(
    health: NodeHealth, clock: ShiftedClock
) -> None:
    listed = snapshot(info(1), info(2), info(3, endpoint="http://plain"))
    first, second = listed.nodes
    health.mark_failed(first.tee_id, "it timed out", clock.now() + 60)
    with pytest.raises(NoNodeAvailableError) as caught:
        choose_node(listed, health=health, rng=random.Random(7), exclude=[second.tee_id])
    text = caught.value.short_message
    for part in ("it timed out", "tried for this call", "is not https", str(first.tee_id)):
        assert part in text


@pytest.mark.parametrize("spell", [
    lambda node: node.tee_id, lambda node: str(node.tee_id), lambda node: node.tee_id.hex(),
    lambda node: node.endpoint, lambda node: node.endpoint + "/",
])  # fmt: skip
def test_a_node_that_is_asked_for_is_used_even_if_avoided(
    health: NodeHealth, clock: ShiftedClock, spell: object
) -> None:
    listed = snapshot(info(1), info(2))
    node = listed.nodes[1]
    health.mark_failed(node.tee_id, "it timed out", clock.now() + 60)
    wanted = spell(node)  # type: ignore[operator]
    assert choose_node(listed, health=health, rng=random.Random(7), wanted=wanted) is node


@pytest.mark.parametrize("wanted", ["https://other", "0x" + "00" * 32])
def test_a_node_that_is_not_listed_is_not_replaced_by_another(
    health: NodeHealth, wanted: str
) -> None:
    with pytest.raises(NoNodeAvailableError, match="is not a node that can be called"):
        choose_node(snapshot(info(1)), health=health, rng=random.Random(7), wanted=wanted)


def test_a_text_that_names_no_node_is_a_mistake_of_the_caller(health: NodeHealth) -> None:
    with pytest.raises(ConfigurationError, match="names no node"):
        choose_node(snapshot(info(1)), health=health, rng=random.Random(7), wanted="nearest")
