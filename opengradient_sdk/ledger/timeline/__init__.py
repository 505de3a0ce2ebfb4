"""Which builds and nodes were valid when: the registry's events, kept and asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.lazy import lazy_names

if TYPE_CHECKING:
    from .events import EventKind, Place, RegistryEvent
    from .history import RegistryHistory
    from .holding import Certainty, Held
    from .horizon import Horizon, Pulse, Sighting
    from .moments import Moment
    from .schema import SCHEMA
    from .stored import stored_timeline
    from .timeline import Time, Timeline, Validity
    from .versions import NodeLife, Period, Version

__all__ = [
    "SCHEMA",
    "Certainty",
    "EventKind",
    "Held",
    "Horizon",
    "Moment",
    "NodeLife",
    "Period",
    "Place",
    "Pulse",
    "RegistryEvent",
    "RegistryHistory",
    "Sighting",
    "Time",
    "Timeline",
    "Validity",
    "Version",
    "stored_timeline",
]

__getattr__ = lazy_names(
    __name__,
    {
        "events": "EventKind Place RegistryEvent",
        "history": "RegistryHistory",
        "holding": "Certainty Held",
        "horizon": "Horizon Pulse Sighting",
        "moments": "Moment",
        "schema": "SCHEMA",
        "stored": "stored_timeline",
        "timeline": "Time Timeline Validity",
        "versions": "NodeLife Period Version",
    },
)
