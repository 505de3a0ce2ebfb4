"""Which nodes there are, and which one answers: the on-chain registry and the choice from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .records import NodeRecord, RegistrySnapshot
    from .registry import Registry
    from .selection import NodeHealth, choose_node

__all__ = ["NodeHealth", "NodeRecord", "Registry", "RegistrySnapshot", "choose_node"]

__getattr__ = lazy_names(
    __name__,
    {
        "selection": "NodeHealth choose_node",
        "records": "NodeRecord RegistrySnapshot",
        "registry": "Registry",
    },
)
