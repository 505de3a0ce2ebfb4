"""``python -m opengradient_sdk.cli`` is ``ogsdk``."""

from __future__ import annotations

from . import main

main()
