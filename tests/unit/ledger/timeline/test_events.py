"""Logs of the registry become events, and what is none of its events is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opengradient_sdk.chain.contracts import tee_events
from opengradient_sdk.errors import RegistryUnavailableError
from opengradient_sdk.ledger.timeline import EventKind
from opengradient_sdk.ledger.timeline.events import event_of
from opengradient_sdk.types import Bytes32, Log

from .histories import REGISTRY, place, word

NO_TYPE = Bytes32(bytes(32))


def text(value: bytes) -> bytes:
    """The ABI encoding of one string of at most 32 bytes."""
    return (32).to_bytes(32) + len(value).to_bytes(32) + value.ljust(32, b"\0")


def log(*topics: Bytes32, data: bytes = b"") -> Log:
    return Log(REGISTRY, topics, data, 5, word(99), 3, place(5).hash)


APPROVED = log(tee_events.PCR_APPROVED.topic, word(1), NO_TYPE, data=text(b"v1"))


def test_an_approval_carries_its_version() -> None:
    said = event_of(APPROVED, place(5))
    assert (said.kind, said.subject, said.pcr_hash) == (EventKind.APPROVED, word(1), word(1))
    assert (said.label, said.tee_type, said.order) == ("v1", 0, (5, 3))
    assert (said.transaction, said.final, said.taken_back_at) == (word(99), False, None)


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        (tee_events.TEE_ENABLED.topic, EventKind.ENABLED),
        (tee_events.TEE_DISABLED.topic, EventKind.DISABLED),
    ],
)
def test_nodes_are_named_by_their_id(topic: Bytes32, kind: EventKind) -> None:
    said = event_of(log(topic, word(7)), place(5))
    assert (said.kind, said.subject) == (kind, word(7))


def test_a_version_may_hold_what_a_database_does_not_take() -> None:
    said = event_of(replace(APPROVED, data=text(b"v\x001")), place(5))
    assert said.label == "v\N{REPLACEMENT CHARACTER}1"


@pytest.mark.parametrize(
    "strange",
    [
        log(word(1234), word(1)),
        log(),
        replace(APPROVED, data=APPROVED.data[:40]),
        replace(APPROVED, data=text(b"\xff\xfe")),
        replace(APPROVED, topics=APPROVED.topics[:2]),
        replace(APPROVED, topics=(*APPROVED.topics[:2], word(2**200))),
    ],
    ids=["unknown", "anonymous", "cut short", "not UTF-8", "a topic less", "no uint8"],
)
def test_what_is_no_event_of_the_registry_is_refused(strange: Log) -> None:
    with pytest.raises(RegistryUnavailableError, match="in block 5 cannot be read"):
        event_of(strange, place(5))
