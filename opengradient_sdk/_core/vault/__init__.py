"""Secrets at rest: sealed with a key of the store's own, which the store does not hold."""

from __future__ import annotations

from .vault import Vault

__all__ = ["Vault"]
