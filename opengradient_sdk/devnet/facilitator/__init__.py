"""The facilitator of a Devnet: verifies, sponsors and settles payments, and settles hashes."""

from __future__ import annotations

from .faults import Faults
from .reasons import Reason
from .records import Records, SettledPermit, VerifiedPermit
from .service import Facilitator
from .sponsoring import SponsorBounds

__all__ = [
    "Facilitator",
    "Faults",
    "Reason",
    "Records",
    "SettledPermit",
    "SponsorBounds",
    "VerifiedPermit",
]
