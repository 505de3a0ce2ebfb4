"""What the interop tests need: programs of others, which CI must have and a laptop may lack."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from opengradient_sdk.devnet.anvil_path import find_anvil

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def published_python() -> Path:
    """The interpreter of the environment that has the published client."""
    return _interpreter(".venv-interop")


@pytest.fixture(scope="session")
def x402_python() -> Path:
    """The interpreter of the environment that has the published payment library."""
    return _interpreter(".venv-x402")


@pytest.fixture(scope="session")
def anvil_program() -> Path:
    """The anvil program."""
    program = find_anvil()
    if program is None:
        _missing("anvil is not there; `make anvil` fetches it where npm is")
    return program


def _interpreter(environment: str) -> Path:
    # `make` writes the mark last: without it the installation was cut short
    if not (ROOT / environment / ".installed").exists():
        _missing(f"{environment} is not there; `make interop` makes it")
    return ROOT / environment / "bin" / "python"


def _missing(what: str) -> NoReturn:
    """Fail in CI, where everything must be there; skip elsewhere."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(what)
    pytest.skip(what)
