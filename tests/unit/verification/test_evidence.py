from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import opengradient_sdk
from opengradient_sdk.verification import Assurance, Check, CheckStatus, Evidence
from opengradient_sdk.verification.evidence import CHECKS

PASSED, FAILED = CheckStatus.PASSED, CheckStatus.FAILED
SIGNED = ("request_hash", "output_hash", "signature")
REGISTERED = (*SIGNED, "registry")
ATTESTED = (*REGISTERED, "attestation")

ANY_CHECK = st.builds(
    Check,
    st.sampled_from([*CHECKS, "of another version"]),
    st.sampled_from(CheckStatus),
    st.text(),
    st.text(),
)
EVIDENCE = st.builds(
    lambda checks: Evidence(tuple(checks)), st.lists(ANY_CHECK, unique_by=lambda check: check.name)
)


def evidence(*names: str, **statuses: CheckStatus) -> Evidence:
    passed = tuple(Check(name, PASSED) for name in names if name not in statuses)
    return Evidence(passed + tuple(Check(name, status) for name, status in statuses.items()))


@pytest.mark.parametrize(
    ("found", "rung"),
    [
        (Evidence(), Assurance.UNVERIFIED),
        (evidence("request_hash", "output_hash"), Assurance.UNVERIFIED),
        (evidence(*SIGNED), Assurance.SIGNED),
        (evidence(*REGISTERED), Assurance.REGISTERED),
        (evidence(*ATTESTED), Assurance.ATTESTED),
        # a rung needs those below it
        (evidence(*SIGNED, "attestation"), Assurance.SIGNED),
        (evidence("registry", "attestation"), Assurance.UNVERIFIED),
        # what failed, is open or was left out is not passed
        (evidence(*ATTESTED, attestation=FAILED), Assurance.REGISTERED),
        (evidence(*ATTESTED, registry=FAILED), Assurance.SIGNED),
        (evidence(*ATTESTED, registry=CheckStatus.PENDING), Assurance.SIGNED),
        (evidence(*ATTESTED, signature=CheckStatus.NOT_CHECKED), Assurance.UNVERIFIED),
        # foundations
        (evidence(*ATTESTED, freshness=FAILED), Assurance.UNVERIFIED),
        (evidence(*ATTESTED, coverage=FAILED), Assurance.UNVERIFIED),
        (evidence(*ATTESTED, tee_id=FAILED), Assurance.UNVERIFIED),
        (evidence(*ATTESTED, freshness=CheckStatus.PENDING), Assurance.ATTESTED),
        # how the answer travelled and what it cost are other matters
        (evidence(*ATTESTED, transport=FAILED, charge=FAILED), Assurance.ATTESTED),
    ],
)
def test_assurance_is_derived(found: Evidence, rung: Assurance) -> None:
    assert found.assurance is rung


def test_rungs_are_ordered() -> None:
    rungs = [Assurance.UNVERIFIED, Assurance.SIGNED, Assurance.REGISTERED, Assurance.ATTESTED]
    assert sorted(Assurance) == rungs


@given(EVIDENCE)
def test_a_failure_never_raises_the_assurance(found: Evidence) -> None:
    for check in found.checks:
        worse = found.with_(Check(check.name, FAILED))
        assert worse.assurance <= found.assurance


@given(EVIDENCE)
def test_json_is_portable(found: Evidence) -> None:
    assert Evidence.from_json(json.loads(json.dumps(found.to_json()))) == found


@given(EVIDENCE, ANY_CHECK)
def test_with_replaces_by_name(found: Evidence, check: Check) -> None:
    grown = found.with_(check)
    assert grown.get(check.name) == check
    known = found.get(check.name) is not None
    assert len(grown.checks) == len(found.checks) + (not known)
    assert [c for c in grown.checks if c.name != check.name] == [
        c for c in found.checks if c.name != check.name
    ]


def test_failed_and_pending_are_listed_apart() -> None:
    found = evidence("signature", registry=FAILED, attestation=CheckStatus.PENDING)
    assert [check.name for check in found.failed] == ["registry"]
    assert [check.name for check in found.pending] == ["attestation"]
    assert found.get("transport") is None


CHECK = {"name": "a", "status": "passed", "reason": "", "source": ""}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"checks": {}},
        {"checks": ["a"]},
        {"checks": [CHECK | {"status": "great"}]},
        {"checks": [CHECK | {"name": 1}]},
        {"checks": [{"name": "a", "status": "passed"}]},
        {"checks": [CHECK, CHECK]},
    ],
    ids=str,
)
def test_json_that_is_no_evidence(value: Any) -> None:
    with pytest.raises(ValueError, match=r"evidence|check|CheckStatus"):
        Evidence.from_json(value)


def test_a_second_check_cannot_hide_the_first() -> None:
    with pytest.raises(ValueError, match="two checks of one name"):
        Evidence((Check("signature", FAILED), Check("signature", PASSED)))


def names_of_checks(module: ast.Module) -> set[str]:
    """The names of the checks that a module makes, here or through a helper of its own."""
    texts = {
        ast.unparse(target): node.value.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call) and node.args]
    names = [call.args[0] for call in calls if ast.unparse(call.func) in ("Check", "_failed")]
    said = {name.value for name in names if isinstance(name, ast.Constant)}
    return said | {
        texts[name.id] for name in names if isinstance(name, ast.Name) and name.id in texts
    }


def test_every_check_has_its_place_in_the_list() -> None:
    """What a receipt can say is written down, and nothing is written down that it never says."""
    package = Path(opengradient_sdk.__file__).parent
    made = set[str]()
    for room in ("verification", "client", "ledger/timeline"):
        for module in (package / room).rglob("*.py"):
            made |= names_of_checks(ast.parse(module.read_text()))
    assert made == set(CHECKS)


def test_only_what_passed_counts() -> None:
    """Whatever is missing, open, left out or unknown: the assurance is what the rest proves."""
    for status in (FAILED, CheckStatus.PENDING, CheckStatus.NOT_CHECKED):
        for name, left in (
            *((name, Assurance.UNVERIFIED) for name in SIGNED),
            ("registry", Assurance.SIGNED),
            ("attestation", Assurance.REGISTERED),
        ):
            assert evidence(*ATTESTED, **{name: status}).assurance is left
            without = Evidence(tuple(c for c in evidence(*ATTESTED).checks if c.name != name))
            assert without.assurance is left
