"""What may be spent: limits, and what counts against them."""

from __future__ import annotations

from .blocks import Block, check_call
from .limits import Budget, Money
from .pools import Limits, Pool
from .standing import Standing, crossed_low

__all__ = [
    "Block",
    "Budget",
    "Limits",
    "Money",
    "Pool",
    "Standing",
    "check_call",
    "crossed_low",
]
