"""Paying a node: challenge, policy, authorization, session, settlement."""

from __future__ import annotations

from .challenge import Offer, PaymentRequired
from .policy import PaymentPolicy, PaymentRules
from .pricing import Estimate
from .schemes import Authorization
from .state import AuthorizationState, OpenAuthorization, PaymentState, PaymentStatus

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
