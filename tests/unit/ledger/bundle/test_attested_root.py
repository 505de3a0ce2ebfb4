"""A document under a root that nobody has named is refused, and the error says what to name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opengradient_sdk.errors import AttestationError
from opengradient_sdk.ledger.bundle import verify_bundle

from .maker import a_bundle, trust


def test_an_unnamed_root_is_refused_and_can_be_named() -> None:
    bundle = a_bundle(attested=True)
    with pytest.raises(AttestationError, match="certificate_chain") as caught:
        verify_bundle(bundle, replace(trust(), attestation_root=None))
    assert "--root" in caught.value.hint
    assert verify_bundle(bundle, trust()).evidence.get("document") is not None


def test_a_bad_document_under_a_named_root_is_no_matter_of_roots() -> None:
    bundle = a_bundle(attested=True)
    registry = bundle["registry"]
    assert isinstance(registry, dict)
    registry["record"] = {**registry["record"], "tls_certificate": "0x00"}
    with pytest.raises(AttestationError) as caught:
        verify_bundle(bundle, trust())
    assert "--root" not in caught.value.hint
