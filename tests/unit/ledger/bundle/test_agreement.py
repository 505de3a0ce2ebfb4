"""Two verifiers that share no code say the same of every member with every odd value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from opengradient_sdk.errors import VerificationError
from opengradient_sdk.ledger.bundle import verify_bundle
from opengradient_sdk.verification import Evidence

from .maker import a_bundle, not_charged, trust
from .standalone import check

ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -0.0,
    1,
    -1,
    1.5,
    2**53 - 1,
    2**53,
    10**400,
    1e300,
    "",
    "0",
    "00",
    "-1",
    "0x",
    "0x" + "00" * 20,
    "0x" + "00" * 32,
    "0x" + "00" * 65,
    "\x00",
    "AAAA",
    "AA==",
    "none",
    [],
    [[]],
    ["x"],
    {},
    {"x": 1},
)


def paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, member in value.items():
        yield (*above, name)
        if isinstance(member, dict):
            yield from paths(member, (*above, name))


def ours(text: bytes) -> str:
    """The name of the check that fails, or nothing."""
    try:
        verify_bundle(text, trust())
    except VerificationError as error:
        return failed_check(error)
    return ""


def failed_check(error: VerificationError) -> str:
    evidence = error.evidence
    assert isinstance(evidence, Evidence)
    (failed,) = evidence.failed
    return failed.name


def theirs(text: bytes) -> str:
    try:
        check(text)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "bundle",
    [a_bundle(), a_bundle(attested=True, paid=False, payment=not_charged())],
    ids=["charged", "attested, not charged"],
)
def test_they_agree_on_every_odd_value(bundle: dict[str, Any]) -> None:
    verdicts: set[str] = set()
    for path in paths(bundle):
        part = bundle
        for step in path[:-1]:
            part = part[step]
        honest = part[path[-1]]
        for odd in ODD:
            part[path[-1]] = odd
            text = json.dumps(bundle).encode()
            assert ours(text) == theirs(text), (path, odd)
            verdicts.add(ours(text))
        part[path[-1]] = honest
    assert ours(json.dumps(bundle).encode()) == ""
    assert {"", "schema", "request_hash", "output_hash", "signature", "payment"} <= verdicts
