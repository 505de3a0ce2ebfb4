"""The examples in the docstrings of this room are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "_core.canonical_json",
        "verification.canonical",
        "verification.evidence",
        "verification.wire",
    ],
)
def test_examples(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"opengradient_sdk.{module}"))
    assert found.attempted > 0
    assert found.failed == 0
