"""When an answer was given: each clock's word, the order of blocks, and what follows from it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from opengradient_sdk.ledger import Receipt, RegistryFacts
from opengradient_sdk.ledger.timeline import Certainty, Place, Sighting, Timeline
from opengradient_sdk.network.records import NodeRecord
from opengradient_sdk.types import Address, Bytes32
from opengradient_sdk.verification import CheckStatus, SignedFields

from ..receipts import a_receipt
from .histories import CHAIN, REGISTRY, approved, horizon, place, revoked, word

BUILD = 1
CERTAIN, POSSIBLE, NOT = Certainty.CERTAINLY, Certainty.POSSIBLY, Certainty.CERTAINLY_NOT
RECORD = NodeRecord(
    tee_id=word(7),
    owner=Address("0x" + "11" * 20),
    payment_address=Address("0x" + "22" * 20),
    endpoint="https://node.example",
    public_key_der=b"",
    tls_certificate_der=b"",
    pcr_hash=word(BUILD),
    tee_type=0,
    enabled=True,
    registered_at=1,
    last_heartbeat_at=1,
)


def answered(
    at: float = 2_000.0, *, read: int | None = 19, node: int | None = 2_000, **changes: Any
) -> Receipt:
    """An answer given at ``at`` by our clock, for which the registry was read at block ``read``."""
    facts = None if read is None else facts_of(place(read))
    signed = None if node is None else SignedFields("00" * 32, "", "", node, "")
    members = {"pcr_hash": word(BUILD), "latency": 1.0, "registered": facts, "signed": signed}
    return a_receipt(created_at=at, **members | changes)


def facts_of(read: Place, registry: Address = REGISTRY) -> RegistryFacts:
    return RegistryFacts(CHAIN, registry, read.block, read.hash, read.time, ("one",), RECORD)


def looked(at: float, block: int) -> Sighting:
    return Sighting(at, at + 0.1, place(block))


def a_timeline(
    *events: Any, looks: Any = (), head: int = 100, final: int | None = None
) -> Timeline:
    return Timeline(events, horizon(head, final), {}, looks)


def certainty(timeline: Timeline, receipt: Receipt | None = None, **options: Any) -> Certainty:
    (held,) = timeline.during(receipt or answered(), **options)
    return held.certainty


def test_blocks_are_placed_by_what_this_client_saw() -> None:
    looks = (looked(1_500, 15), looked(1_990, 18), looked(2_000.5, 21), looked(2_002, 22))
    moment = a_timeline(looks=looks).moment(answered(read=17))
    assert (moment.block_before, moment.block_after) == (place(18), place(22))
    assert a_timeline(looks=looks).moment(answered(read=19)).block_before == place(19)
    assert a_timeline().moment(answered(read=None)).block_before is None
    assert a_timeline().moment(answered()).block_after is None


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 0.0),
        ({"node": None}, 0.0),
        ({"node": 1_999}, 0.0),  # it signs whole seconds: it may have been 1999.99
        ({"node": 1_997}, 2.0),
        ({"node": 2_006}, 5.0),
        ({"read": 20}, 0.0),
        ({"read": 21}, 99.0),  # a block of 2100 was seen before an answer that ended at 2001
        ({"read": 21, "node": 1_990}, 109.0),
        ({"read": 3}, 0.0),
    ],
)
def test_clocks_disagree_by_no_more_than_they_must(changes: Any, seconds: float) -> None:
    assert a_timeline().moment(answered(**changes)).disagreement == seconds


@pytest.mark.parametrize(
    ("changes", "bounds"),
    [
        ({}, (2_000.0, 2_001.0)),
        ({"node": 1_990}, (1_990.0, 2_001.0)),
        ({"node": 2_010}, (2_000.0, 2_011.0)),
        ({"node": None, "read": 19}, (2_000.0, 2_001.0)),
        ({"read": 21}, (2_000.0, 2_100.0)),  # a block of 2100 had been seen before the answer
    ],
)
def test_the_bounds_are_those_of_all_three_clocks(changes: Any, bounds: Any) -> None:
    assert a_timeline().moment(answered(**changes)).bounds == bounds


def test_a_moment_is_told_clock_by_clock() -> None:
    text = str(a_timeline(looks=(looked(2_002, 22),)).moment(answered(node=2_006)))
    assert "our clock: 2000.000 to 2001.000" in text
    assert "the node says 2006" in text
    assert "after block 19, time 1900" in text
    assert "block 22, time 2200" in text
    assert "disagree by at least 5.000 s" in text
    assert (
        "the node says nothing; after an unknown block, before the successor of not known"
        in str(a_timeline().moment(answered(node=None, read=None)))
    )


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([approved(1, 2)], CERTAIN),
        ([approved(1, 19)], CERTAIN),
        ([approved(1, 2), revoked(1, 23)], CERTAIN),
        ([approved(1, 2), revoked(1, 22)], POSSIBLE),
        ([approved(1, 20)], POSSIBLE),
        ([approved(1, 2), revoked(1, 20), approved(1, 21)], POSSIBLE),
        ([approved(1, 2), revoked(1, 19)], NOT),
        ([approved(1, 23)], NOT),
        ([approved(1, 2), revoked(1, 5), approved(1, 30)], NOT),
    ],
)
def test_order_alone_tells_what_was_valid(events: Any, expected: Certainty) -> None:
    timeline = a_timeline(*events, looks=(looked(2_002, 22),))
    assert certainty(timeline, skew=math.inf) is expected


@pytest.mark.parametrize(
    ("events", "by_order", "by_clocks"),
    [
        ([approved(1, 2)], CERTAIN, CERTAIN),
        ([approved(1, 2), revoked(1, 60)], POSSIBLE, CERTAIN),
        ([approved(1, 60)], POSSIBLE, NOT),
        ([approved(1, 2), revoked(1, 22)], POSSIBLE, POSSIBLE),
        ([approved(1, 22)], POSSIBLE, POSSIBLE),
    ],
)
def test_clocks_help_where_nobody_looked_for_long(
    events: Any, by_order: Certainty, by_clocks: Certainty
) -> None:
    timeline = a_timeline(*events, looks=(looked(9_000, 90),))
    assert certainty(timeline, skew=math.inf) is by_order
    assert certainty(timeline) is by_clocks


def test_order_goes_before_clocks() -> None:
    """A block that was seen before the answer is older, however late it says it is."""
    late = answered(at=500.0, node=500)
    timeline = a_timeline(approved(1, 2), revoked(1, 19), looks=(looked(502, 22),))
    assert certainty(timeline, late) is NOT


@pytest.mark.parametrize("head", [15, 20])
def test_what_was_not_read_up_to_the_answer_is_open(head: int) -> None:
    timeline = a_timeline(approved(1, 2), head=head)
    (held,) = timeline.during(answered())
    assert (held.certainty, held.final) == (POSSIBLE, False)
    assert "not read up to the answer" in held.reason
    (check,) = timeline.later(answered())
    assert check.status is CheckStatus.PENDING


@pytest.mark.parametrize(("final", "expected"), [(21, False), (22, True), (40, True)])
def test_only_final_blocks_make_it_final(final: int, expected: bool) -> None:
    timeline = a_timeline(approved(1, 2), looks=(looked(2_002, 22),), final=final)
    (held,) = timeline.during(answered())
    assert held.final is expected


PASSED, FAILED = CheckStatus.PASSED, CheckStatus.FAILED


@pytest.mark.parametrize(
    ("events", "status", "words"),
    [
        ([approved(1, 2)], PASSED, ["'v1' is still approved at block 100"]),
        ([approved(1, 2), revoked(1, 60)], FAILED, ["revoked at block 60", "after the answer"]),
        ([approved(1, 2), revoked(1, 20)], FAILED, ["at about the time of the answer"]),
        ([approved(1, 2), revoked(1, 19)], FAILED, ["before the answer"]),
        (
            [approved(1, 2), revoked(1, 60), approved(1, 70)],
            FAILED,
            ["revoked at block 60", "approved again at block 70"],
        ),
        ([approved(1, 2), revoked(1, 5), approved(1, 9)], PASSED, ["still approved"]),
        ([approved(1, 2), revoked(1, 60, final=False)], FAILED, ["not final yet"]),
        ([approved(2, 2)], CheckStatus.NOT_CHECKED, ["knows no approval"]),
    ],
)
def test_what_became_of_a_build(events: Any, status: CheckStatus, words: list[str]) -> None:
    timeline = a_timeline(*events, looks=(looked(2_002, 22),))
    (check,) = timeline.later(answered())
    assert (check.name, check.status) == ("build_since", status)
    for some in words:
        assert some in check.reason
    assert "https://one.example, https://other.example" in check.source


def test_it_changes_no_assurance() -> None:
    receipt = answered()
    for events in ([approved(1, 2)], [approved(1, 2), revoked(1, 60)]):
        (check,) = a_timeline(*events).later(receipt)
        assert receipt.evidence.with_(check).assurance is receipt.assurance


def test_an_answer_from_another_registry_is_not_judged_by_this_one() -> None:
    elsewhere = facts_of(place(19), Address("0x" + "99" * 20))
    receipt = answered(registered=elsewhere)
    timeline = a_timeline(approved(1, 2), revoked(1, 60))
    (check,) = timeline.later(receipt)
    assert check.status is CheckStatus.NOT_CHECKED
    assert timeline.moment(receipt).block_before is None


def test_a_build_of_another_hash_is_another_build() -> None:
    receipt = answered(pcr_hash=Bytes32(b"\x0c" * 32))
    (check,) = a_timeline(approved(1, 2)).later(receipt)
    assert check.status is CheckStatus.NOT_CHECKED
