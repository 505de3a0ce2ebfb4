"""The catalogue: every fault by name, where it strikes, and whether a client can know the cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Where = Literal["connection", "payment", "answer", "chain", "clock", "none"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a paid call can go wrong.

    Attributes:
        name: What ``inject`` and ``--og-faults`` call it.
        about: What happens, in one sentence.
        where: What is struck: the connection, the payment, the answer, the chain or a clock.
        ambiguous: Whether a client cannot know, from what it sees, if it was billed.
        unpaid: Whether it strikes requests that ask for the price; the others strike paid ones.
        everywhere: Whether it strikes all users of the Devnet, not only those of one node.
    """

    name: str
    about: str
    where: Where
    ambiguous: bool
    unpaid: bool = False
    everywhere: bool = False


_CATALOGUE: Final = (
    Fault(
        "none",
        "Nothing goes wrong: the control.",
        "none",
        ambiguous=False,
    ),
    Fault(
        "refuse-connection",
        "Idle connections are closed, and the next connection is refused before anything is read.",
        "connection",
        ambiguous=False,
        unpaid=True,
    ),
    Fault(
        "refuse-after-challenge",
        "The challenge is the last answer on its connection, and the next connection, which would "
        "bring the payment, is refused.",
        "connection",
        ambiguous=False,
        unpaid=True,
    ),
    Fault(
        "cut-request",
        "The connection is cut when the node has read so many bytes of the request.",
        "connection",
        ambiguous=True,
    ),
    Fault(
        "drop-before-work",
        "The node takes the payment and closes the connection; nothing is billed.",
        "connection",
        ambiguous=True,
    ),
    Fault(
        "accept-then-time-out",
        "The node does the work, bills it, and says nothing until the client gives up.",
        "connection",
        ambiguous=True,
    ),
    Fault(
        "slow-answer",
        "The answer is right, and arrives in twenty pieces within a second.",
        "connection",
        ambiguous=False,
    ),
    Fault(
        "cut-response",
        "The work is billed, and the connection is cut after so many bytes of the answer.",
        "connection",
        ambiguous=True,
    ),
    Fault(
        "cut-stream",
        "The work is billed, and the connection is cut between two frames or inside one; an answer "
        "in one piece is cut inside its body.",
        "connection",
        ambiguous=True,
    ),
    Fault(
        "answer-twice",
        "The answer is sent twice on its connection.",
        "connection",
        ambiguous=False,
    ),
    Fault(
        "error-5xx",
        "The node, or a gateway before it, answers 500, 502, 503 or 504; nothing is billed.",
        "answer",
        ambiguous=True,
    ),
    Fault(
        "error-after-settling",
        "The work is billed, the session is handed in for settlement, and the answer is a 5xx.",
        "answer",
        ambiguous=True,
    ),
    Fault(
        "garbage-answer",
        "The work is billed, and the answer's body is broken: one byte, its half, or all of it.",
        "answer",
        ambiguous=True,
    ),
    Fault(
        "wrong-proof",
        "The answer's signature, a hash, its salt or its tee id is wrong, or there is none.",
        "answer",
        ambiguous=False,
    ),
    Fault(
        "replayed-proof",
        "The answer is signed and old: the one to another request, or to this one from long ago.",
        "answer",
        ambiguous=False,
    ),
    Fault(
        "challenge-after-payment",
        "The paid request is answered 402 with a challenge; nothing is billed.",
        "payment",
        ambiguous=False,
    ),
    Fault(
        "bare-402-after-payment",
        "The paid request is answered 402 without a challenge; nothing is billed.",
        "payment",
        ambiguous=False,
    ),
    Fault(
        "stale-session",
        "The node has forgotten all sessions, as after a restart; what they owed is never asked "
        "for.",
        "payment",
        ambiguous=False,
    ),
    Fault(
        "over-asking",
        "One field of the challenge is not what an honest node asks for.",
        "payment",
        ambiguous=False,
        unpaid=True,
    ),
    Fault(
        "facilitator-down",
        "The node cannot reach the facilitator: payments get 502, and nothing is settled.",
        "payment",
        ambiguous=True,
    ),
    Fault(
        "chain-unavailable",
        "The work is billed and the answer lost, and from then on the chain's RPC does not answer.",
        "chain",
        ambiguous=True,
        everywhere=True,
    ),
    Fault(
        "clock-ahead",
        "The node's clock is an hour ahead: it signs times to come, or finds the permit expired.",
        "clock",
        ambiguous=False,
    ),
    Fault(
        "clock-behind",
        "The node's clock is an hour behind: it signs times gone by, or finds the permit not valid "
        "yet.",
        "clock",
        ambiguous=False,
    ),
)

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for fault in _CATALOGUE})
"""Every fault, by name."""
