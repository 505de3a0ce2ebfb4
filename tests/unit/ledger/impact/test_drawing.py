"""An impact as text, as a flowchart, and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.ledger.impact import Impact, Touched, TouchedPayment, mermaid, to_json, tree
from opengradient_sdk.ledger.impact.findings import Calls, Mark
from opengradient_sdk.ledger.timeline import Place
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32

from ...payments.makers import NOW, OWNER, PAYEE, TEE
from .makers import AS_OF, OF_B, B

HOSTILE = '\x1b[31m"]; click n0 "javascript:alert(1)"\n<b>`|\u202e'


def touched(number: int, *via: int, depth: int | None = None, **changes: Any) -> Touched:
    """A receipt made from those named; one that is made from none is an output."""
    members: dict[str, Any] = {
        "id": f"rcpt_{number}",
        "at": NOW + number,
        "model": "gpt-5",
        "tag": None,
        "run": None,
        "tee_id": TEE,
        "pcr_hash": B,
        "owner": OWNER,
        "network": "eip155:31337",
        "nonce": 1,
        "cost": Amount(1500),
        "depth": (1 if via else 0) if depth is None else depth,
        "via": tuple(f"rcpt_{each}" for each in via),
    }
    return Touched(**members | changes)


def an_impact(*receipts: Touched, **changes: Any) -> Impact:
    """An impact of these receipts."""
    found = Impact(
        query=OF_B,
        as_of=AS_OF,
        outputs=tuple(each for each in receipts if not each.depth),
        downstream=tuple(each for each in receipts if each.depth),
        payments=(),
        runs=(),
        tags=(),
    )
    return replace(found, **changes)


def shapes(drawing: str) -> list[str]:
    """The lines of a tree below its heading: branches and ids only."""
    return [re.sub(r"[●◌○] (\S+)[^(]*(\(above\))?.*", r"\1\2", s) for s in drawing.split("\n")[2:]]


def test_a_tree() -> None:
    drawing = tree(
        an_impact(
            touched(1, tag="daily", run="report-1"),
            touched(2, cost=None),
            touched(3, 1),
            touched(4, 3, depth=2),
            touched(5, 2),
            doubts={"rcpt_2": "near to a change"},
        )
    )
    build = "0x" + "0b" * 32
    assert drawing == (
        f"build {build}: 2 calls, 0.0000000000000015 OPG and 1 of unknown cost "
        "(1 certain, 1 uncertain); downstream 3 calls, 0.0000000000000045 OPG "
        "(2 certain, 1 uncertain); 0 authorizations\n"
        "● in question   ◌ in question, but uncertain   ○ made from one\n"
        "├─ ● rcpt_1 · 2027-01-15 08:00:01.000Z · gpt-5 · 0.0000000000000015 OPG"
        " · tag daily · run report-1\n"
        "│  └─ ○ rcpt_3 · 2027-01-15 08:00:03.000Z · gpt-5 · 0.0000000000000015 OPG\n"
        "│     └─ ○ rcpt_4 · 2027-01-15 08:00:04.000Z · gpt-5 · 0.0000000000000015 OPG\n"
        "└─ ◌ rcpt_2 · 2027-01-15 08:00:02.000Z · gpt-5 · cost unknown\n"
        "   └─ ○ rcpt_5 · 2027-01-15 08:00:05.000Z · gpt-5 · 0.0000000000000015 OPG"
    )


def test_what_two_lead_to_is_drawn_once() -> None:
    drawing = tree(an_impact(touched(1), touched(2, 1), touched(3, 1, 2), touched(4, 3, depth=2)))
    assert shapes(drawing) == [
        "└─ rcpt_1",
        "   ├─ rcpt_2",
        "   │  └─ rcpt_3",
        "   │     └─ rcpt_4",
        "   └─ rcpt_3(above)",
    ]


def test_an_output_under_an_output_is_no_root() -> None:
    drawing = tree(an_impact(touched(1), touched(2, 1), touched(3, 2, depth=0)))
    assert shapes(drawing) == ["└─ rcpt_1", "   └─ rcpt_2", "      └─ rcpt_3"]
    assert "● rcpt_3" in drawing


def test_outputs_in_a_circle_are_drawn() -> None:
    drawing = tree(an_impact(touched(1, 2, depth=0), touched(2, 1)))
    assert shapes(drawing) == ["└─ rcpt_1", "   └─ rcpt_2", "      └─ rcpt_1(above)"]


def test_what_hangs_under_a_lost_receipt_is_drawn() -> None:
    drawing = tree(an_impact(touched(1), touched(3, 2, depth=2), missing=("rcpt_2",)))
    assert shapes(drawing) == ["├─ rcpt_1", "└─ rcpt_3"]


def test_wide_and_deep_trees_are_cut_and_say_so() -> None:
    wide = an_impact(touched(0), *(touched(n, 0) for n in range(1, 10)))
    assert shapes(tree(wide, widest=2)) == [
        "└─ rcpt_0",
        "   ├─ rcpt_1",
        "   ├─ rcpt_2",
        "   └─ … 7 more",
    ]
    deep = an_impact(touched(0), *(touched(n, n - 1, depth=n) for n in range(1, 10)))
    assert shapes(tree(deep, deepest=2)) == ["└─ rcpt_0", "   └─ rcpt_1", "      └─ … 1 more"]
    assert shapes(tree(wide, lines=3))[2:] == ["   ├─ rcpt_2", "… 7 receipts not drawn"]


def test_very_long_chains_are_drawn() -> None:
    long = an_impact(touched(0), *(touched(n, n - 1, depth=n) for n in range(1, 3000)))
    assert len(tree(long, deepest=5000, lines=5000).split("\n")) == 3002
    assert "more receipts" in mermaid(long)


def test_nothing_touched_is_a_heading() -> None:
    assert shapes(tree(an_impact())) == []
    assert mermaid(an_impact()).startswith("flowchart LR\n")


@st.composite
def graphs(draw: st.DrawFn) -> Impact:
    count = draw(st.integers(1, 12))
    parents = st.sets(st.integers(0, count + 1), max_size=4)
    return an_impact(
        *(touched(n, *draw(parents), depth=draw(st.integers(0, 3))) for n in range(count))
    )


@given(graphs())
def test_every_receipt_is_drawn_once_whatever_the_graph(found: Impact) -> None:
    drawn = [line for line in shapes(tree(found, widest=99, deepest=99)) if "(above)" not in line]
    ids = [re.sub(r"[^a-z]*(rcpt_\d+)", r"\1", line) for line in drawn]
    assert sorted(ids) == sorted(each.id for each in found.touched)


@given(st.text(), st.text())
def test_foreign_text_stays_on_its_line(model: str, tag: str) -> None:
    found = an_impact(touched(1, model=model, tag=tag, run=tag))
    assert len(tree(found).splitlines()) == 3
    assert tree(found).replace("\n", "").isprintable()
    chart = mermaid(found)
    assert re.fullmatch(
        r'n0\["[A-Za-z0-9 ,.:·_<>/#;-]*"\]:::output', chart.splitlines()[-1].strip()
    )


def test_a_flowchart() -> None:
    chart = mermaid(
        an_impact(
            touched(1),
            touched(2, model=HOSTILE),
            touched(3, 1, 2),
            doubts={"rcpt_2": "near to a change"},
        )
    )
    lines = [line.strip() for line in chart.splitlines()]
    assert lines[0] == "flowchart LR"
    assert lines[4] == (
        'n0["rcpt_1<br/>gpt-5<br/>2027-01-15 08:00:01.000Z<br/>0.0000000000000015 OPG"]:::output'
    )
    assert lines[5].endswith('"]:::uncertain')
    assert HOSTILE[5:10] not in chart
    assert "#34;#93;#59; click n0" in lines[5]
    assert lines[7:] == ["n0 --> n2", "n1 --> n2"]


def test_a_flowchart_shows_both_causes_and_effects_when_it_is_cut() -> None:
    outputs = [touched(n) for n in range(100)]
    effects = [touched(n, 99) for n in range(100, 300)]
    chart = mermaid(an_impact(*outputs, *effects), nodes=20, edges=5)
    assert '"rcpt_99<br/>' in chart  # the one that led to something comes first
    assert chart.count(":::output") == 10
    assert chart.count("-->") == 5
    assert 'rest["not drawn: 280 more receipts, 5 more arrows"]:::rest' in chart


def test_no_effects_leave_the_room_to_outputs() -> None:
    assert mermaid(an_impact(*(touched(n) for n in range(9))), nodes=7).count(":::output") == 7


@pytest.mark.parametrize("cost", [Amount(2**70), None])
def test_json_holds_everything(cost: Amount | None) -> None:
    status = PaymentStatus(
        PaymentState.FINAL,
        "final",
        amount=Amount(2**71),
        transaction=Bytes32(b"\x07" * 32),
        block_number=9,
    )
    one, none = Calls(1, Amount(5)), Calls()
    payments: Sequence[TouchedPayment] = (
        TouchedPayment("eip155:1", OWNER, 2**200, PAYEE, Amount(7), status, 3, one, none, 2, NOW),
        TouchedPayment("eip155:1", OWNER, 1, None, None, None, None, none, one),
    )
    found = an_impact(
        touched(1, cost=cost),
        touched(2, 1),
        payments=tuple(payments),
        runs=(Mark("r", 1, 0),),
        tags=(Mark("t", 0, 1),),
        doubts={"rcpt_1": "near to a change"},
        missing=("rcpt_3",),
        changes_known_to=Place(7, Bytes32(bytes(32)), 700),
    )
    value = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert (value["format"], value["version"]) == ("opengradient-impact", 1)
    assert value["query"]["pcr_hashes"] == [str(B)]
    assert value["outputs"][0]["cost"] == (None if cost is None else str(2**70))
    assert value["totals"]["outputs"] == {
        "count": 1,
        "cost": str(0 if cost is None else 2**70),
        "unpriced": int(cost is None),
    }
    assert value["downstream"][0]["via"] == ["rcpt_1"]
    assert value["totals"]["charged_to_sessions"] == str(2**71)
    paid, unknown = value["payments"]
    assert (paid["nonce"], paid["state"], paid["block_number"]) == (str(2**200), "final", 9)
    assert paid["charged_to_session"] == str(2**71)
    assert unknown["state"] is unknown["cap"] is unknown["transaction"] is None
    assert value["runs"] == [{"name": "r", "outputs": 1, "downstream": 0}]
    assert value["tags"] == [{"name": "t", "outputs": 0, "downstream": 1}]
    assert (value["uncertain"], value["missing"]) == (["rcpt_1"], ["rcpt_3"])
    assert value["doubts"] == {"rcpt_1": "near to a change"}
    assert value["only_through_uncertain"] == ["rcpt_2"]
    assert (value["totals"]["certain_outputs"], value["totals"]["uncertain_outputs"]) == (0, 1)
    assert value["changes_known_to"] == {"block": 7, "time": 700}
    assert (paid["session_calls"], paid["session_receipts"], paid["other_calls"]) == (3, 2, 2)
    assert (paid["told_at"], unknown["told_at"]) == (NOW, None)


def test_an_impact_is_not_printed_whole() -> None:
    assert repr(an_impact(*(touched(n) for n in range(99)))).startswith("Impact(build 0x")
    assert "rcpt_1" not in repr(an_impact(touched(1)))


@pytest.mark.parametrize("at", [1e18, -1e18])
def test_times_that_no_calendar_has_are_shown_as_seconds(at: float) -> None:
    assert f"{at:g} s" in tree(an_impact(touched(1, at=at)))


def test_outputs_that_led_nowhere_take_the_room_that_is_left() -> None:
    outputs = [touched(n) for n in range(8)]
    effects = [touched(n, 0) for n in range(8, 10)] + [touched(n, 7) for n in range(10, 20)]
    chart = mermaid(an_impact(*outputs, *effects), nodes=9)
    assert sum("<br/>" in line for line in chart.splitlines()) == 9
