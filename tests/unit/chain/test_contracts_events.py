"""Logs as dataclasses: of every event that the contracts declare."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from opengradient_sdk.chain import contracts
from opengradient_sdk.chain.abi import AbiError, encode
from opengradient_sdk.chain.contracts import (
    Approval,
    BatchSettlement,
    Contract,
    Erc20,
    Event,
    IndividualSettlement,
    PermitFailed,
    SettlementRelay,
    TeeRegistry,
    Transfer,
    UnorderedNonceInvalidation,
    UptoProxy,
    decode_logs,
)
from opengradient_sdk.types import Address, Bytes32, Log

HERE = Address("0x" + "11" * 20)
OWNER, FRIEND = Address("0x" + "22" * 20), Address("0x" + "33" * 20)
WORD, OTHER = Bytes32(b"\x07" * 32), Bytes32(b"\x08" * 32)

SAMPLES: dict[str, Any] = {
    "address": OWNER, "uint256": 5, "uint8": 1, "bytes32": WORD, "bytes": b"some", "string": "v1",
}  # fmt: skip


def declared() -> list[Event[Any]]:
    """Every event that a contract's class names."""
    classes = [getattr(contracts, name) for name in contracts.__all__]
    found: dict[str, Event[Any]] = {}
    for kind in classes:
        if isinstance(kind, type) and issubclass(kind, Contract):
            for name in dir(kind):
                value = getattr(kind, name)
                for event in value if isinstance(value, tuple) else (value,):
                    if isinstance(event, Event):
                        found[event.signature] = event
    return list(found.values())


def log_of(event: Event[Any], values: dict[str, Any]) -> Log:
    kinds = dict(zip(event.inputs.names, event.inputs.kind.members, strict=True))
    marked = dict(zip(event.inputs.names, event.inputs.indexed, strict=True))
    topics = [Bytes32(kinds[name].encode(values[name])) for name in values if marked[name]]
    plain = [name for name in values if not marked[name]]
    data = encode([kinds[name].name for name in plain], [values[name] for name in plain])
    return Log(HERE, (event.topic, *topics), data, 1, WORD, 0)


@pytest.mark.parametrize("event", declared(), ids=lambda event: event.signature)
def test_every_event_becomes_its_dataclass(event: Event[Any]) -> None:
    kinds = [kind.name for kind in event.inputs.kind.members]
    values = dict(zip(event.inputs.names, (SAMPLES[kind] for kind in kinds), strict=True))
    log = log_of(event, values)
    found = event.decode(log)
    assert dataclasses.is_dataclass(found)
    assert {name: getattr(found, name) for name in values} == values
    assert event.matches(log)
    for broken in (
        dataclasses.replace(log, topics=(OTHER, *log.topics[1:])),
        dataclasses.replace(log, topics=(*log.topics, WORD)),
        dataclasses.replace(log, topics=()),
    ):
        with pytest.raises(AbiError):
            event.decode(broken)
    if log.data:
        with pytest.raises(AbiError, match="ends at byte"):
            event.decode(dataclasses.replace(log, data=log.data[:-1]))


def test_all_events_of_the_network_are_declared() -> None:
    names = {event.signature.partition("(")[0] for event in declared()}
    assert names >= {
        "Transfer", "Approval", "UnorderedNonceInvalidation", "Settled", "SettledWithPermit",
        "TEERegistered", "TEEEnabled", "TEEDisabled", "PCRApproved", "PCRRevoked", "TEETypeAdded",
        "AWSCertificateUpdated", "HeartbeatReceived", "RegistryUpdated", "BatchSettlement",
        "IndividualSettlement", "EIP2612PermitFailedWithReason", "EIP2612PermitFailedWithPanic",
        "EIP2612PermitFailedWithData", "RoleGranted", "RoleRevoked",
    }  # fmt: skip


def word_of(address: Address) -> Bytes32:
    return Bytes32(encode(["address"], [address]))


TRANSFERRED = Log(
    HERE,
    (Erc20.TRANSFER.topic, word_of(OWNER), word_of(FRIEND)),
    encode(["uint256"], [5]),
    block_number=1,
    transaction_hash=WORD,
    index=0,
)


def test_transfers() -> None:
    assert Erc20.TRANSFER.decode(TRANSFERRED) == Transfer(OWNER, FRIEND, 5)
    approved = dataclasses.replace(
        TRANSFERRED, topics=(Erc20.APPROVAL.topic, *TRANSFERRED.topics[1:])
    )
    assert Erc20.APPROVAL.decode(approved) == Approval(OWNER, FRIEND, 5)
    assert repr(Erc20.TRANSFER) == "Event(Transfer(address,address,uint256))"


def test_settlements() -> None:
    batch = log_of(
        SettlementRelay.BATCH_SETTLEMENT,
        {"merkle_root": WORD, "batch_size": 20, "blob_id": b"blob"},
    )
    assert SettlementRelay.BATCH_SETTLEMENT.decode(batch) == BatchSettlement(WORD, 20, b"blob")
    values = {
        "tee_id": WORD, "eth_address": OWNER, "input_hash": OTHER, "output_hash": WORD,
        "timestamp": 4, "blob_id": b"b", "signature": b"s",
    }  # fmt: skip
    one = log_of(SettlementRelay.INDIVIDUAL_SETTLEMENT, values)
    assert SettlementRelay.INDIVIDUAL_SETTLEMENT.decode(one) == IndividualSettlement(
        WORD, OWNER, OTHER, WORD, 4, b"b", b"s"
    )


def test_failed_permits_say_what_the_token_said() -> None:
    said = {"reason": "no", "error_code": 0x11, "data": b"\x01"}
    for event, (name, value) in zip(UptoProxy.PERMIT_FAILED, said.items(), strict=True):
        log = log_of(event, {"token": HERE, "owner": OWNER, name: value})
        assert event.decode(log) == PermitFailed(HERE, OWNER, **{name: value})


def test_burnt_nonces_are_told_apart() -> None:
    burnt = UnorderedNonceInvalidation(OWNER, word=3, mask=0b100)
    assert burnt.covers(3 * 256 + 2)
    assert not burnt.covers(3 * 256 + 1)
    assert not burnt.covers(4 * 256 + 2)


def test_an_events_values_may_become_anything() -> None:
    event = Event("Named(string indexed name, uint8 kind)", dict)
    log = Log(HERE, (event.topic, WORD), encode(["uint8"], [1]), 1, WORD, 0)
    assert event.decode(log) == {"name": WORD, "kind": 1}, "of an indexed text the log has the hash"


def test_filters_name_the_indexed_values() -> None:
    transfer = Erc20.TRANSFER
    assert transfer.topics() == [transfer.topic]
    assert transfer.topics(recipient=FRIEND) == [transfer.topic, None, word_of(FRIEND)]
    with pytest.raises(AbiError, match="no indexed amount"):
        transfer.topics(amount=5)


def test_logs_of_several_events_are_read_in_their_order() -> None:
    heartbeat = log_of(TeeRegistry.HEARTBEAT_RECEIVED, {"tee_id": WORD, "timestamp": 9})
    nft = dataclasses.replace(TRANSFERRED, topics=(*TRANSFERRED.topics, WORD), data=b"")
    anonymous = dataclasses.replace(TRANSFERRED, topics=())
    logs = [heartbeat, nft, anonymous, TRANSFERRED]
    found = decode_logs(logs, Erc20.TRANSFER, TeeRegistry.HEARTBEAT_RECEIVED)
    assert [type(one).__name__ for one in found] == ["HeartbeatReceived", "Transfer"]
    assert decode_logs(logs, Erc20.TRANSFER) == (Transfer(OWNER, FRIEND, 5),)
