"""The keys of a Devnet: the same in every run, and known to everybody who has this file."""

from __future__ import annotations

from ..signers import LocalSigner
from ..types import keccak256


def devnet_key(role: str) -> bytes:
    """Return the private key of a role such as ``account-0``, ``treasury`` or ``facilitator``.

    **Money**: anybody can compute it. Send nothing of value to its account, on any chain.
    """
    return keccak256(f"opengradient devnet: {role}".encode())


def devnet_signer(role: str) -> LocalSigner:
    """Return the signer of a role; see :func:`devnet_key` for what it is worth."""
    return LocalSigner.from_key(devnet_key(role))
