"""Paying a node: challenge, policy, authorization, session, settlement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .budget import Budget
    from .challenge import Offer, PaymentRequired
    from .offer_rules import OfferVerdict
    from .policy import FacilitatorChanged, PaymentPolicy
    from .pricing import Estimate
    from .rules import PaymentRules
    from .schemes import Authorization
    from .state import AuthorizationState, OpenAuthorization
    from .status import NotChargedProof, PaymentState, PaymentStatus

__all__ = [
    "Authorization",
    "AuthorizationState",
    "Budget",
    "Estimate",
    "FacilitatorChanged",
    "NotChargedProof",
    "Offer",
    "OfferVerdict",
    "OpenAuthorization",
    "PaymentPolicy",
    "PaymentRequired",
    "PaymentRules",
    "PaymentState",
    "PaymentStatus",
]

__getattr__ = lazy_names(
    __name__,
    {
        "schemes": "Authorization",
        "state": "AuthorizationState OpenAuthorization",
        "status": "NotChargedProof PaymentState PaymentStatus",
        "pricing": "Estimate",
        "budget": "Budget",
        "challenge": "Offer PaymentRequired",
        "offer_rules": "OfferVerdict",
        "policy": "FacilitatorChanged PaymentPolicy",
        "rules": "PaymentRules",
    },
)
