"""Whether the hashes of an answer were settled: found by watching the relay, not by asking nodes.

A node says that it settles and never when or where; what the facilitator returns is a plan (the
protocol notes, section 6.5 and S20). So the relay's events are read, through every endpoint that is
configured, and the path from the answer's own leaf to an event's root is computed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.lazy import lazy_names

if TYPE_CHECKING:
    from .blobs import BlobReader
    from .individual import individual_blob_check
    from .watcher import DataWatcher

__all__ = ["BlobReader", "DataWatcher", "individual_blob_check"]

__getattr__ = lazy_names(
    __name__,
    {
        "blobs": "BlobReader",
        "individual": "individual_blob_check",
        "watcher": "DataWatcher",
    },
)
