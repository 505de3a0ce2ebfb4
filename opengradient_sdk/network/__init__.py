"""Which nodes there are, and which one answers: the on-chain registry and the choice from it."""

from __future__ import annotations

from .records import NodeRecord, RegistrySnapshot
from .registry import Registry
from .selection import NodeHealth, choose_node

__all__ = ["NodeHealth", "NodeRecord", "Registry", "RegistrySnapshot", "choose_node"]
