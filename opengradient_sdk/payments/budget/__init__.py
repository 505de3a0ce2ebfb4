"""What may be spent: limits, and what counts against them."""

from __future__ import annotations

from .ledger import Budget

__all__ = ["Budget"]
