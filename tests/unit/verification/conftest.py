"""Vectors and makers of honest artefacts, for every test of this room."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import tee_id_of

HERE = Path(__file__).parent
VECTORS = HERE.parents[1] / "assets" / "vectors"


@cache
def load(path: Path) -> Any:
    return json.loads(path.read_text())


@dataclass(frozen=True)
class NodeKey:
    """A key of the vectors."""

    public_der: bytes
    private_pem: bytes

    @property
    def tee_id(self) -> Bytes32:
        return tee_id_of(self.public_der)

    def sign(self, statement: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        private: Any = load_pem_private_key(self.private_pem, password=None)
        return private.sign(statement, PSS(MGF1(SHA256()), 32), SHA256())


def pem_to_der(pem: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )

    key = load_pem_public_key(pem.encode())
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="session")
def node_keys() -> dict[str, NodeKey]:
    keys = load(VECTORS / "response_verify.json")["keys"]
    return {
        name: NodeKey(pem_to_der(key["public_key_pem"]), key["private_key_pem"].encode())
        for name, key in keys.items()
    }
