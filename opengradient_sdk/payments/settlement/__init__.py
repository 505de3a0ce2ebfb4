"""What the chain says of authorizations."""

from __future__ import annotations

from .watcher import Claim, SettlementWatcher

__all__ = ["Claim", "SettlementWatcher"]
