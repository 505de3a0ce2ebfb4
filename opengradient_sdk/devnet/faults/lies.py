"""What a node says wrongly: fields of its challenge, and parts of its proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TypeVar

from ..accounts import devnet_signer
from ..node.faults import Faults
from ..node.shapes import JsonObject

HOUR: Final = 3600
DAY: Final = 24 * HOUR
_ANOTHER_QUESTION: Final = "Which way is north?"
_STRANGER: Final = devnet_signer("stranger").address
_WORTHLESS: Final = devnet_signer("another token").address
_BASE: Final = "eip155:8453"
_ELSEWHERE: Final = "eip155:1"

Bend = Callable[[Faults], Faults]

T = TypeVar("T")


def _of_offer(name: str, lie: Callable[[str], object]) -> Callable[[JsonObject], JsonObject]:
    def tell(challenge: JsonObject) -> JsonObject:
        offer = challenge["accepts"][0]
        return {**challenge, "accepts": [{**offer, name: lie(str(offer[name]))}]}

    return tell


def _of_extra(name: str, lie: object) -> Callable[[JsonObject], JsonObject]:
    def tell(challenge: JsonObject) -> JsonObject:
        offer = challenge["accepts"][0]
        extra = {**offer["extra"], name: lie}
        return {**challenge, "accepts": [{**offer, "extra": extra}]}

    return tell


OVER_ASKING: Final[Mapping[str, Callable[[JsonObject], JsonObject]]] = MappingProxyType(
    {
        "amount": _of_offer("amount", lambda amount: str(1000 * int(amount))),
        "asset": _of_offer("asset", lambda _: str(_WORTHLESS)),
        "payTo": _of_offer("payTo", lambda _: str(_STRANGER)),
        "network": _of_offer("network", lambda own: _ELSEWHERE if own == _BASE else _BASE),
        "scheme": _of_offer("scheme", lambda _: "exact"),
        "maxTimeoutSeconds": _of_offer("maxTimeoutSeconds", lambda _: 365 * DAY),
        "facilitator": _of_extra("facilitatorAddress", str(_STRANGER)),
        "assetTransferMethod": _of_extra("assetTransferMethod", "eip3009"),
        "x402Version": lambda challenge: {**challenge, "x402Version": 1},
    }
)
"""How each field of a challenge lies; seed n lies in field n, counted round and round."""

WRONG_PROOFS: Final[Mapping[str, Bend]] = MappingProxyType(
    {
        "signature": lambda faults: replace(faults, wrong_signature=True),
        "request hash": lambda faults: replace(faults, wrong_request_hash=True),
        "output hash": lambda faults: replace(faults, wrong_output_hash=True),
        "tee id": lambda faults: replace(faults, wrong_tee_id=True),
        "salt": lambda faults: replace(faults, wrong_salt=True),
        "nothing signed": lambda faults: replace(faults, unsigned=True),
    }
)
"""How a proof is wrong, by seed as above."""

REPLAYS: Final[Mapping[str, Bend]] = MappingProxyType(
    {
        "another request": lambda faults: replace(faults, answers_another=_ANOTHER_QUESTION),
        "long ago": lambda faults: replace(faults, clock_skew=-DAY),
    }
)
"""What an old answer answered: signed afresh, it is byte for byte what a replay would bring.

Prompts of ``/v1/completions`` have no other question; there it is the second kind that shows.
"""


def over_asking(seed: int) -> Bend:
    """Return the lie of this seed."""
    tell = nth(OVER_ASKING, seed)
    return lambda faults: replace(faults, challenge=tell)


def clock_off(seconds: int, seed: int) -> Bend:
    """Return a clock that is off: of the signed time, with odd seeds of the permit's check too."""
    reason = "permit2_deadline_expired" if seconds > 0 else "permit2_not_yet_valid"
    refused = reason if seed % 2 else None
    return lambda faults: replace(faults, clock_skew=seconds, refuse_payment=refused)


def nth(choices: Mapping[str, T], seed: int) -> T:
    """Return the choice of a seed."""
    return tuple(choices.values())[seed % len(choices)]
