"""Every bit of a bundle, flipped in turn: refused, or about a member listed as unproven."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from opengradient_sdk.errors import VerificationError
from opengradient_sdk.ledger.bundle import BundleReport, verify_bundle

from .maker import a_bundle, trust
from .standalone import check

# unproven, but no single bit makes another value of the form of them
NOT_TO_BE_FLIPPED = {
    "run",  # null
    "attestation",
    "parents",  # empty
    "payment.status.disagreeing",
    "payment.status.proof",
    "payment.status.state",  # one of a few words
    "payment.status.final",
    "payment.status.chain_id",  # must be that of the authorization
    "data.state",
}


def members(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, member in value.items():
        if isinstance(member, dict):
            yield from members(member, f"{above}{name}.")
        else:
            yield above + name, json.dumps(member)


def changed(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """The members in which two bundles differ."""
    return {path for path, _ in set(members(one)) ^ set(members(other))}


def flipped(text: bytes, every: int = 1) -> Iterator[bytes]:
    spoilt = bytearray(text)
    for bit in range(0, 8 * len(text), every):
        spoilt[bit // 8] ^= 1 << bit % 8
        yield bytes(spoilt)
        spoilt[bit // 8] ^= 1 << bit % 8


def accepted(text: bytes) -> BundleReport | None:
    try:
        return verify_bundle(text, trust())
    except VerificationError:
        return None


def test_every_bit_is_bound_or_listed_as_unproven() -> None:
    bundle = a_bundle(others=1)
    text = json.dumps(bundle, separators=(",", ":")).encode()
    whole = verify_bundle(text, trust())
    unproven = set(whole.unproven)
    seen: set[str] = set()
    for spoilt in flipped(text):
        report = accepted(spoilt)
        if report is None:
            continue
        touched = changed(bundle, report.value)
        assert touched
        assert touched <= unproven
        assert report.bound == whole.bound
        seen |= touched
    assert unproven - seen == NOT_TO_BE_FLIPPED  # the list is not longer than it must be


def test_bits_of_an_attestation_document() -> None:
    """A sample here; every bit of it in the nightly tests."""
    _flip_document(every=37)


@pytest.mark.nightly
def test_every_bit_of_an_attestation_document() -> None:
    _flip_document(every=1)


def _flip_document(*, every: int) -> None:
    bundle = a_bundle(paid=False, settled=False, attested=True)
    text = json.dumps({"attestation": bundle.pop("attestation")} | bundle).encode()
    end = text.index(b'"verified_at"')
    for spoilt in flipped(text[:end], every):
        assert accepted(spoilt + text[end:]) is None


def test_the_verifier_without_the_sdk_says_the_same_of_flipped_bits() -> None:
    text = json.dumps(a_bundle(others=1)).encode()
    verdicts = {True: 0, False: 0}
    for spoilt in flipped(text, every=29):
        taken = accepted(spoilt) is not None
        try:
            check(spoilt)
        except ValueError:
            assert not taken, spoilt
        else:
            assert taken, spoilt
        verdicts[taken] += 1
    assert min(verdicts.values()) > 25
