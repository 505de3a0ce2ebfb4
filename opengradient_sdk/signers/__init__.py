"""Wallets: what signs, and the guard that asks a policy before it does."""

from __future__ import annotations

from .guard import GuardedSigner, SigningPolicy
from .local import LocalSigner, signer_from
from .protocol import Signer

__all__ = ["GuardedSigner", "LocalSigner", "Signer", "SigningPolicy", "signer_from"]
