"""Signs of life as spans: a year of heartbeats is a handful of rows, and nothing is lost.

A node is fresh at a time exactly if its last heartbeat is at most ``max_age`` old. Of heartbeats
that follow each other within ``max_age`` only the first and the last one matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .horizon import Pulse


def prolonged(known: Sequence[Pulse], beats: Iterable[int], max_age: int) -> list[Pulse]:
    """Return the spans of ``known``, oldest first, with the later ``beats`` (times) added."""
    spans = list(known)
    for beat in beats:
        if spans and beat - spans[-1].last <= max_age:
            spans[-1] = Pulse(spans[-1].first, max(beat, spans[-1].last))
        else:
            spans.append(Pulse(beat, beat))
    return spans


def is_fresh(spans: Iterable[Pulse], time: float, max_age: int) -> bool:
    """Whether the last heartbeat before ``time`` was at most ``max_age`` seconds old then."""
    return any(span.first <= time <= span.last + max_age for span in spans)
