"""What is open about a payment, and what will settle it when: sentences for people."""

from __future__ import annotations

from datetime import UTC, datetime

from ..status import PaymentState, PaymentStatus
from .schedule import NODE_SETTLES_AFTER, NODE_SETTLES_WITHIN


def what_settles(status: PaymentStatus, *, deadline: int, now: float) -> str:
    """Return what is still open and what will settle it; empty where nothing is.

    Args:
        status: The chain's last word.
        deadline: The last second of the permit, in Unix seconds of the chain's clock.
        now: Unix seconds of the client's clock.

    Returns:
        A sentence without a full stop; its times are ISO 8601 in UTC.

    Example:
        >>> from opengradient_sdk.payments import PaymentState, PaymentStatus
        >>> from opengradient_sdk.payments.settlement import what_settles
        >>> status = PaymentStatus(PaymentState.OPEN, "not settled")
        >>> print(what_settles(status, deadline=1_800_000_300, now=1_800_000_000))
        the node settles 100 to 125 s after its last answer; the permit ends at \
2027-01-15T08:05:00Z; after that a finalized block proves that nothing was charged
    """
    match status.state:
        case PaymentState.OPEN:
            return _open(status, deadline, now)
        case PaymentState.UNKNOWN:
            return _unknown(status, deadline)
        case PaymentState.SETTLED:
            return (
                f"settled in block {status.block_number}, which a reorg could still take back; "
                "it is final when every RPC calls that block finalized"
            )
        case PaymentState.CANCELLED if not status.final:
            return (
                f"cancelled in block {status.block_number}, which a reorg could still take back "
                f"while the permit is good, until {_utc(deadline)}"
            )
        case _:
            return ""


def _open(status: PaymentStatus, deadline: int, now: float) -> str:
    if now <= deadline:
        return (
            f"the node settles {NODE_SETTLES_AFTER:.0f} to {NODE_SETTLES_WITHIN:.0f} s after its "
            f"last answer; the permit ends at {_utc(deadline)}; after that a finalized block "
            "proves that nothing was charged"
        )
    return (
        f"the permit ended at {_utc(deadline)}; a later block that every RPC calls finalized "
        f"proves what was charged (last seen: {status.reason})"
    )


def _unknown(status: PaymentStatus, deadline: int) -> str:
    needed = "the RPC endpoints have to agree" if status.disagreeing else "the chain has to show it"
    return (
        f"{status.reason}; {needed} before the cap counts as free, whatever happens at the "
        f"permit's end, {_utc(deadline)}"
    )


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
