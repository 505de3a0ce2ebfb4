"""``/usage``: what was settled, by day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from ...types import Amount
from .records import SettledPermit

MAX_DAYS: Final = 90


def usage(settled: Iterable[SettledPermit], *, days: int, now: float) -> dict[str, object]:
    """Return the totals, and the sums of the last ``days`` UTC days up to ``now``.

    Costs are OPG as decimal text; what a call cost in USD is not known here.
    """
    entries = list(settled)
    today = datetime.fromtimestamp(now, UTC).date()
    wanted = [(today - timedelta(days=back)).isoformat() for back in range(days - 1, -1, -1)]
    by_day: dict[str, list[SettledPermit]] = {day: [] for day in wanted}
    for entry in entries:
        by_day.get(_day(entry), []).append(entry)
    return {
        "totalRequests": sum(entry.requests for entry in entries),
        "totalCostOpg": _opg(entries),
        "daily": [
            {
                "day": day,
                "requestCount": sum(entry.requests for entry in of_day),
                "costOpg": _opg(of_day),
            }
            for day, of_day in by_day.items()
        ],
    }


def _day(entry: SettledPermit) -> str:
    return datetime.fromtimestamp(entry.at, UTC).date().isoformat()


def _opg(entries: Iterable[SettledPermit]) -> str:
    return f"{Amount(sum(entry.amount for entry in entries)).tokens.normalize():f}"
