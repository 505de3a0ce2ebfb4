"""Exact ABI coding of what this package calls, without the 0.3 s that importing ``eth_abi`` costs.

The paid path reads one registry and one allowance; these few hundred lines are all of the ABI it
needs. They are stricter than a contract's own decoder, because what they decode comes from
endpoints that nobody has to trust.
"""

from __future__ import annotations

from .codec import MAX_BYTES, decode, encode
from .items import Event, Function
from .kinds import AbiError, Kind
from .parsing import Parameters, parse_parameters

__all__ = [
    "MAX_BYTES",
    "AbiError",
    "Event",
    "Function",
    "Kind",
    "Parameters",
    "decode",
    "encode",
    "parse_parameters",
]
