"""When it is worth asking the chain again."""

from __future__ import annotations

from typing import Final

NODE_SETTLES_AFTER: Final = 100.0
"""Seconds after its last answer before which a node settles no session.

Source: the protocol notes, section 2.8.
"""

NODE_SETTLES_WITHIN: Final = 125.0
"""Seconds after its last answer by which an idle session has been looked at by its node."""

_BLOCKS_TO_FINAL: Final = 8
_SHORTEST: Final = 5.0
_LONGEST: Final = 60.0
_SPREAD: Final = 0.5
"""Each wait is this part of the time since it first became worth asking: often, then rarely."""


def next_look(
    *, retired_at: float, deadline: int, looked_at: float | None, now: float, block_time: float
) -> float:
    """Return when the chain should be asked about an authorization again, never before ``now``.

    Nothing is asked before a node can have settled: 100 s after the session took its last call,
    but no later than the permit's end. From there on often, then rarely; once just after the
    deadline, when the last chance to settle is gone; and from when that can be final on, until it
    is, at most a minute apart.

    Args:
        retired_at: When the session stopped taking calls, in Unix seconds of the client's clock.
        deadline: The last second of the permit, in Unix seconds.
        looked_at: When the chain was last asked, by the client's clock; ``None``: never.
        now: What the client's clock says.
        block_time: The chain's, in seconds.

    Returns:
        Unix seconds of the client's clock. The chain's own may differ: a look that comes too early
        finds the payment open, and is repeated.

    Example:
        >>> from opengradient_sdk.payments.settlement import next_look
        >>> next_look(retired_at=1000, deadline=1300, looked_at=None, now=1001, block_time=2)
        1100.0
    """
    opening = min(retired_at + NODE_SETTLES_AFTER, float(deadline))
    over = deadline + block_time
    final = deadline + block_time * _BLOCKS_TO_FINAL
    if looked_at is None or looked_at < opening:
        wanted = opening
    elif looked_at < over:
        wanted = min(_later(looked_at, since=opening, block_time=block_time), over)
    elif looked_at < final:
        wanted = final
    else:
        wanted = _later(looked_at, since=final, block_time=block_time)
    return max(wanted, now)


def _later(looked_at: float, *, since: float, block_time: float) -> float:
    shortest = max(_SHORTEST, block_time)
    wait = max((looked_at - since) * _SPREAD, shortest)
    return looked_at + min(wait, max(_LONGEST, shortest))
