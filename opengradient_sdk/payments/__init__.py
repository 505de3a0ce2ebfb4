"""Paying a node: challenge, policy, authorization, session, settlement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .challenge import Offer, PaymentRequired
    from .policy import PaymentPolicy
    from .pricing import Estimate
    from .rules import PaymentRules
    from .schemes import Authorization
    from .state import AuthorizationState, OpenAuthorization
    from .status import PaymentState, PaymentStatus

__all__ = [
    "Authorization",
    "AuthorizationState",
    "Estimate",
    "Offer",
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
        "status": "PaymentState PaymentStatus",
        "pricing": "Estimate",
        "challenge": "Offer PaymentRequired",
        "policy": "PaymentPolicy",
        "rules": "PaymentRules",
    },
)
