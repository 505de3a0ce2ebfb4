"""The report that one would hand to an auditor."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.ledger.impact import (
    Calls,
    ImpactQuery,
    Inquiry,
    Mark,
    Source,
    TouchedPayment,
    Unsettled,
    report,
)
from opengradient_sdk.ledger.timeline.events import Place
from opengradient_sdk.ledger.timeline.horizon import Horizon
from opengradient_sdk.ledger.timeline.versions import Period, Version
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32

from ...payments.makers import NOW, OWNER, PAYEE, TEE
from .makers import OF_B, B
from .test_drawing import an_impact, touched

OPEN = PaymentStatus(PaymentState.OPEN, "signed; the chain *has not* been asked yet")
SETTLED = PaymentStatus(
    PaymentState.SETTLED,
    "settled",
    amount=Amount(70_000),
    transaction=Bytes32(b"\x07" * 32),
    block_number=9,
)


def paid(nonce: int, status: PaymentStatus | None, *, session: int | None = 4) -> TouchedPayment:
    return TouchedPayment(
        network="eip155:31337",
        owner=OWNER,
        nonce=nonce,
        recipient=None if status is None else PAYEE,
        cap=None if status is None else Amount(10**17),
        status=status,
        session=session,
        outputs=Calls(1, Amount(1500)),
        downstream=Calls(2, Amount(3000)),
        receipts=None if status is None else 3,
        told_at=None if status is None else NOW,
    )


def sections(text: str) -> dict[str, list[str]]:
    """The lines under each heading of the second level."""
    found: dict[str, list[str]] = {}
    for part in text.split("\n## ")[1:]:
        title, *lines = part.split("\n")
        found[title] = [line for line in lines if line]
    return found


def opened(text: str) -> list[str]:
    """The lines about what is open."""
    lines = sections(text)["Not settled, or uncertain"]
    return lines[: lines.index("### Asked, and not asked")]


def asked(text: str) -> list[str]:
    """The lines about who was asked."""
    lines = sections(text)["Not settled, or uncertain"]
    return lines[lines.index("### Asked, and not asked") + 1 :]


def test_it_says_what_was_asked_and_by_whose_clock() -> None:
    query = ImpactQuery(pcr_hashes=frozenset({B}), version="devnet-2", since=NOW, until=NOW + 9)
    lines = sections(report(an_impact(query=query)))["Question"]
    assert "- version: `devnet-2`" in lines
    assert f"- build: `{B}`" in lines
    assert lines[-3] == (
        "- period: from 2027-01-15 08:00:00.000Z until before 2027-01-15 08:00:09.000Z, "
        "by the clock of the client that made the call"
    )
    assert lines[-2].startswith("- read at: 2027-01-15 10:46:40.000Z, by the clock of the client")


def test_it_says_so_when_no_period_was_asked_for() -> None:
    text = report(an_impact(query=ImpactQuery(model="m")))
    assert "- period: from the ledger's beginning until now, by the clock" in text
    assert sections(text)["Builds"] == ["The registry's history was not asked."]


def test_it_names_builds_with_their_blocks() -> None:
    begun, ended, again = (Place(n, Bytes32(bytes([n]) * 32), int(NOW) + n) for n in (5, 7, 8))
    periods = (Period(begun, ended, True, "devnet-2"), Period(again, None, False, "devnet-2b"))
    build = Version(B, "devnet-2b", 0, periods, (TEE,))
    assert sections(report(an_impact(), builds=[build]))["Builds"][3:] == [
        f"| `devnet-2` | `{B}` | 1 | block 5, 2027-01-15 08:00:05.000Z"
        " | block 7, 2027-01-15 08:00:07.000Z | yes |",
        f"| `devnet-2b` | `{B}` | 1 | block 8, 2027-01-15 08:00:08.000Z"
        " | no | not yet: a reorg may take it back |",
    ]


def test_builds_that_were_given_are_said_to_be_given() -> None:
    assert sections(report(an_impact()))["Builds"][1] == (
        "The builds in question were taken as they are given above."
    )


def test_outputs_and_what_was_made_from_them_are_listed() -> None:
    found = sections(
        report(
            an_impact(
                touched(1, run="nightly-1"),
                touched(2, cost=None, tag="daily"),
                touched(3, 1),
                touched(4, *range(10, 17), depth=2),
                doubts={"rcpt_2": "near to a change"},
            )
        )
    )
    assert found["Outputs in question"][2:] == [
        "| `rcpt_1` | 2027-01-15 08:00:01.000Z | `gpt-5` | `0x0b0b0b0b…0b0b` | `0x01010101…0101`"
        " | 0.0000000000000015 OPG | `nightly-1` |  | yes |",
        "| `rcpt_2` | 2027-01-15 08:00:02.000Z | `gpt-5` | `0x0b0b0b0b…0b0b` | `0x01010101…0101`"
        " | cost unknown |  | `daily` | uncertain |",
    ]
    made = found["Made from them"]
    assert made[0] == "### 1 step away: 1 receipt"
    assert made[3].endswith("| `rcpt_1` |")
    assert made[4] == "### 2 steps away: 1 receipt"
    assert made[7].endswith("`rcpt_14` and 2 more |")
    assert (
        "- in question: 2 calls, 0.0000000000000015 OPG and 1 of unknown cost (computed)"
        in (found["In short"])
    )
    assert "- 1 call in question: the cost is not known" in found["Not settled, or uncertain"]


def test_payments_are_shown_without_blaming_the_whole_charge() -> None:
    payments = (paid(1, SETTLED), paid(2, None, session=None))
    found = sections(report(an_impact(payments=payments)))
    lines = found["Payments"]
    assert "its charge is not the price of the calls named here" in lines[0]
    assert lines[1] == "### For outputs in question: 2 authorizations"
    assert lines[4] == (
        f"| `eip155:31337` | `{OWNER}` | `1` | `{PAYEE}` | 0.1 OPG"
        f" | settled, block 9, transaction `0x{'07' * 32}`, as of 2027-01-15 08:00:00.000Z"
        " | 0.00000000000007 OPG"
        " | 1 call, 0.0000000000000015 OPG | 2 calls, 0.000000000000003 OPG | 1 |"
    )
    assert lines[5].count("not known") == 5
    assert (
        "- charged to their sessions, other calls included: 0.00000000000007 OPG; "
        "of 1 the charge is not known"
    ) in found["In short"]


def test_what_is_open_is_listed() -> None:
    text = report(
        an_impact(
            touched(1),
            touched(2, 1, cost=None),
            payments=(paid(1, OPEN), paid(2, None), paid(3, SETTLED)),
            doubts={"rcpt_1": "near to a change"},
            missing=("rcpt_9",),
        ),
        unsettled=Unsettled({"rcpt_1": ["data: not settled | yet"], "stranger": ["no"]}, unread=3),
    )
    assert opened(text) == [
        "- `rcpt_1`: uncertain: near to a change",
        "- authorization `1`: open: signed; the chain \\*has not\\* been asked yet",
        "- authorization `2`: nothing is known of it",
        "- 1 call made from them: the cost is not known",
        "- `rcpt_9`: named as made from an output, but it has no receipt in this ledger",
        "- `rcpt_1`: data: not settled \\| yet",
        "- 3 more receipts: not looked at for what is open",
    ]


def test_it_names_who_was_asked_and_who_was_not() -> None:
    lines = asked(report(an_impact(touched(1))))
    assert [line.split(":")[0] for line in lines[:3]] == ["- not asked"] * 3
    assert lines[3].startswith("- no client has read the registry's history into this store")
    inquiry = Inquiry(
        frozenset({Source.REGISTRY, Source.PAYMENTS}), {Source.DATA: "no *endpoint* answered"}
    )
    horizon = Horizon(
        1, PAYEE, head=Place(9, B, int(NOW)), max_age=1_800, endpoints=("https://rpc.example",)
    )
    text = report(
        an_impact(touched(1), changes_known_to=Place(9, B, int(NOW))),
        unsettled=Unsettled(inquiry=inquiry, horizon=horizon),
    )
    assert asked(text) == [
        "- asked for this report: the payments chain: what was charged",
        "- could not be asked: the relay's chain: whether the hashes of answers were settled: "
        "no \\*endpoint\\* answered",
        "- asked for this report: the registry's chain: what became of builds and nodes",
        "- the registry's history was read up to block 9, 2027-01-15 08:00:00.000Z, "
        "by https://rpc.example",
        "- outputs were looked at for changes up to block 9 of the registry's chain, "
        "2027-01-15 08:00:00.000Z; later ones make none of them uncertain here",
    ]
    assert "heartbeatMaxAge: a heartbeat is taken to have counted for 1800 seconds" in text


def test_certain_and_uncertain_are_counted_apart() -> None:
    found = an_impact(touched(1), touched(2), touched(3, 2), doubts={"rcpt_2": "near to a change"})
    lines = sections(report(found))["In short"]
    assert lines[1] == (
        "- of these certain: 1; uncertain: 1, as only clocks tell on which side of a change they "
        "were given"
    )
    assert lines[3] == "- of these only from uncertain ones: 1"


def test_nothing_open_is_said_with_its_source() -> None:
    assert opened(report(an_impact(touched(1)))) == ["Nothing that the ledger knows of."]


def test_runs_and_tags_are_listed() -> None:
    found = an_impact(runs=(Mark("nightly-1", 1, 2),), tags=())
    lines = sections(report(found))["Runs and tags"]
    assert lines[2:] == ["| `nightly-1` | 1 | 2 |", "No tag is touched."]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        (OF_B, [f"--pcr-hash={B}"]),
        (
            ImpactQuery(pcr_hashes=frozenset({B}), version="a 'b'", since=NOW),
            ["--version=a 'b'", f"--since={NOW!r}"],
        ),
        (
            ImpactQuery(model="m", tee_id=TEE, until=NOW, owner=OWNER, network="eip155:1"),
            [
                "--model=m",
                f"--tee-id={TEE}",
                f"--until={NOW!r}",
                f"--owner={OWNER}",
                "--network=eip155:1",
            ],
        ),
    ],
)
def test_it_can_be_repeated(query: ImpactQuery, options: list[str]) -> None:
    lines = sections(report(an_impact(query=query)))["How to repeat this"]
    assert lines[2] == "ogsdk ledger verify"
    assert shlex.split(lines[3]) == ["ogsdk", "impact", *options]


def test_it_says_what_it_cannot_show() -> None:
    lines = "\n".join(sections(report(an_impact()))["What this cannot show"])
    for words in ("outside this SDK", "nobody declared", "cut off", "Another build behind"):
        assert words in lines
    by_model = report(an_impact(query=ImpactQuery(model="m")))
    assert "Another build behind" not in by_model


def test_long_tables_end_and_say_so() -> None:
    outputs = [touched(n) for n in range(5)]
    near = [touched(n, 0) for n in range(5, 8)]
    far = [touched(n, 5, depth=2) for n in range(8, 10)]
    text = report(
        an_impact(
            *outputs,
            *near,
            *far,
            doubts={
                "rcpt_0": "near to a change",
                "rcpt_1": "near to a change",
                "rcpt_2": "near to a change",
            },
        ),
        rows=2,
    )
    found = sections(text)
    assert found["Outputs in question"][-1] == "… 3 more; the JSON form has them all."
    assert [line for line in found["Made from them"] if line.startswith("…")] == [
        "… 1 more; the JSON form has them all.",
        "… 2 more; the JSON form has them all.",
    ]
    assert opened(text)[-1] == "- … 1 more"


@given(st.text(), st.text())
def test_foreign_text_stays_in_its_cell(model: str, tag: str) -> None:
    usual = report(an_impact(touched(1, model="m", tag="t"), tags=(Mark("t", 1, 0),)))
    foreign = report(an_impact(touched(1, model=model, tag=tag), tags=(Mark(tag, 1, 0),)))
    assert [cells(line) for line in foreign.splitlines()] == [
        cells(line) for line in usual.splitlines()
    ]


def cells(line: str) -> int:
    return line.replace("\\|", "").count("|")
