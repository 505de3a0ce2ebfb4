"""What a node can be told to do wrong, so that clients can be tested against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .shapes import JsonObject

if TYPE_CHECKING:
    from .ambush import Ambush


@dataclass(slots=True)
class Faults:
    """The ways in which a node misbehaves; an honest node has all of them off.

    Every attribute is named by its effect and may be changed while the node serves. Faults of the
    answer are signed where an enclave would sign them: ``wrong_output_hash`` is a valid signature
    over a wrong hash, so that exactly one check of the client fails.

    Attributes:
        wrong_request_hash: The signed request hash is of another request.
        wrong_output_hash: The signed output hash is of another text.
        wrong_signature: One bit of the signature is flipped.
        wrong_salt: The signature is RSA-PSS with a salt of 20 bytes instead of 32.
        wrong_tee_id: The answer names another enclave.
        unsigned: The answer has no ``tee_*`` members.
        second_choice: The answer has a second, unsigned choice (plain chat answers).
        garbage_body: The answer is 200 with a body that is not JSON.
        drop_before_work: The connection is closed once the payment is accepted; nothing is billed.
        drop_after_work: The connection is closed instead of answering; the work is billed.
        cut_stream: A stream's connection is closed before its final frame.
        error_event_in_stream: A stream ends with an error event instead of its final frame.
        never_pay: Paid routes answer 402 with a challenge, whatever was paid.
        bare_402: As many requests to paid routes are answered 402 without a challenge.
        challenge: Rewrites the challenge (the decoded ``PAYMENT-REQUIRED`` object) before it is
            sent: another price, asset, recipient, scheme or protocol version.
        challenge_header: Sent as the ``PAYMENT-REQUIRED`` header as it stands.
        price_unavailable: The node has no OPG price: 503.
        delay: Seconds of real time that every paid request waits before the work.
        status: Paid routes answer with this status instead of working (the session is opened).
        redirect: Every request is answered 307 with this ``Location``.
        stale_heartbeat: No heartbeat is sent.
        overcharge: Atoms settled on top of what a session's answers cost, up to its cap.
        refuse_payment: A reason with which every payment is answered 402, without asking anybody.
        answers_another: A question that is answered, and signed, instead of every chat's own.
        clock_skew: Seconds by which the times that are signed are off.
        facilitator_down: The facilitator cannot be reached.
        ambushes: Strike single connections and requests, where the switches above strike all.
    """

    wrong_request_hash: bool = False
    wrong_output_hash: bool = False
    wrong_signature: bool = False
    wrong_salt: bool = False
    wrong_tee_id: bool = False
    unsigned: bool = False
    second_choice: bool = False
    garbage_body: bool = False
    drop_before_work: bool = False
    drop_after_work: bool = False
    cut_stream: bool = False
    error_event_in_stream: bool = False
    never_pay: bool = False
    bare_402: int = 0
    challenge: Callable[[JsonObject], JsonObject] | None = None
    challenge_header: str | None = None
    price_unavailable: bool = False
    delay: float = 0.0
    status: int | None = None
    redirect: str | None = None
    stale_heartbeat: bool = False
    overcharge: int = 0
    refuse_payment: str | None = None
    answers_another: str | None = None
    clock_skew: float = 0.0
    facilitator_down: bool = False
    ambushes: tuple[Ambush, ...] = ()
