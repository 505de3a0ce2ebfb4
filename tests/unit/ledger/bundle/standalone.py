"""The verifier of ``examples/``, loaded as its reader would run it."""

from __future__ import annotations

import sys
from functools import cache
from hashlib import sha256
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

from .maker import BUILD, hypervisor

EXAMPLES = Path(__file__).parents[4] / "examples"


@cache
def checker() -> Any:
    _load("check_attestation")
    return _load("check_bundle")


def _load(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def check(text: bytes) -> list[str]:
    """The checks that pass, under the trust of these tests; ValueError names the failed one."""
    root = sha256(hypervisor().root.der).hexdigest()
    return list(checker().check(text, (str(BUILD),), root))
