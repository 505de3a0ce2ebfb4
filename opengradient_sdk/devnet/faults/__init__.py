"""The hostile kit: what can go wrong between a client and a node, on demand and by seed.

    async with inject(net, "accept-then-time-out") as struck:
        …  # the next paid request is worked on and billed, and never answered
    assert struck.hits == 1

For people who build on this SDK: see that your program neither pays twice nor loses an answer that
it paid for. ``FAULTS`` is the catalogue; the same fault with the same seed strikes the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.lazy import lazy_names
from .catalogue import FAULTS, Fault, Where

if TYPE_CHECKING:
    from .injecting import Injected, inject

__getattr__ = lazy_names(__name__, {"injecting": "Injected inject"})

__all__ = ["FAULTS", "Fault", "Injected", "Where", "inject"]
