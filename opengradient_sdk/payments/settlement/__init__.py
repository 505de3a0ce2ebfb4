"""What the chain says of authorizations."""

from __future__ import annotations

from .outlook import what_settles
from .schedule import next_look
from .testimony import Claim
from .watcher import SettlementWatcher

__all__ = ["Claim", "SettlementWatcher", "next_look", "what_settles"]
