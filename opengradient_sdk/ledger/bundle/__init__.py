"""Bundles: one receipt with its evidence as one JSON document that a stranger can check.

The format is published (``docs/bundle-format.md``, ``docs/bundle.schema.json``), and
``examples/check_bundle.py`` checks the same documents without this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.lazy import lazy_names

if TYPE_CHECKING:
    from .making import make_bundle
    from .online import OnlineSources, verify_online
    from .reading import MAX_BYTES, SCHEMA
    from .report import BundleReport
    from .verifying import BundleTrust, verify_bundle

__all__ = [
    "MAX_BYTES",
    "SCHEMA",
    "BundleReport",
    "BundleTrust",
    "OnlineSources",
    "make_bundle",
    "verify_bundle",
    "verify_online",
]

__getattr__ = lazy_names(
    __name__,
    {
        "making": "make_bundle",
        "online": "OnlineSources verify_online",
        "reading": "MAX_BYTES SCHEMA",
        "report": "BundleReport",
        "verifying": "BundleTrust verify_bundle",
    },
)
