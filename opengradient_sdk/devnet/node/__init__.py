"""A node of the Devnet: HTTPS gateway, sessions, signed answers, and faults to test against."""

from __future__ import annotations

from .attestation import TestRoot, devnet_pcrs, make_document, pcr_hash
from .faults import Faults
from .node import Node
from .sessions import Permit, Session, SessionState

__all__ = [
    "Faults",
    "Node",
    "Permit",
    "Session",
    "SessionState",
    "TestRoot",
    "devnet_pcrs",
    "make_document",
    "pcr_hash",
]
