"""Policies: what an answer must prove, and of which calls the expensive checks are made.

A policy is asked before the call (which nodes, and which of them attest themselves before anything
is paid) and after the answer (what is missing). It is a pure value: the same facts and the same
draw give the same answer on both occasions. Signatures are always verified and need no policy: that
takes microseconds. What a policy wants to see settled on chain is followed after the answer.
"""

from ._base import Policy
from ._chosen import Above, Sample
from ._combined import AllOf, AnyOf
from ._facts import CallFacts, Choice, Found, Odds, Plan, SettlementChoice
from ._fixed import (
    AtLeast,
    Covered,
    PcrIn,
    Required,
    Settled,
    UnsafeNoVerification,
    policy_of,
)

__all__ = [
    "Above",
    "AllOf",
    "AnyOf",
    "AtLeast",
    "CallFacts",
    "Choice",
    "Covered",
    "Found",
    "Odds",
    "PcrIn",
    "Plan",
    "Policy",
    "Required",
    "Sample",
    "Settled",
    "SettlementChoice",
    "UnsafeNoVerification",
    "policy_of",
]
