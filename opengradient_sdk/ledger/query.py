"""Which receipts are looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from .._core.store import Value
from ..types import Address, Bytes32
from .entries import as_column, placeholders

_FEWEST: Final = 1


@dataclass(frozen=True, slots=True)
class ReceiptQuery:
    """What receipts must be like; what is ``None`` may be anything.

    ``since`` and ``until`` are Unix seconds of the client's clock, ``until`` not included.
    ``owner`` and ``network`` are those of the ledger that is asked, unless they are given.
    ``pcr_hashes`` are builds, any of which will do. The oldest come first, and of those at most
    ``limit``.

    Raises:
        ValueError: ``limit`` is less than 1, or a time is not a number.
    """

    since: float | None = None
    until: float | None = None
    model: str | None = None
    tag: str | None = None
    run: str | None = None
    tee_id: Bytes32 | None = None
    pcr_hashes: tuple[Bytes32, ...] = ()
    route: str | None = None
    limit: int = 1000
    newest_first: bool = False
    owner: Address | None = None
    network: str | None = None

    def __post_init__(self) -> None:
        if self.limit < _FEWEST:
            raise ValueError("limit is 1 or more")
        if any(time is not None and math.isnan(time) for time in (self.since, self.until)):
            raise ValueError("since and until are numbers")

    def condition(self, owner: Address, network: str) -> tuple[str, list[Value]]:
        """Return what a row of ``ledger_receipt`` must hold, and the values of its ``?``.

        ``owner`` and ``network`` stand in for those that the query leaves out.
        """
        terms = ["owner = ?", "network = ?"]
        values: list[Value] = [self.owner or owner, self.network or network]
        for column, text in (
            ("run", self.run),
            ("tag", self.tag),
            ("tee_id", None if self.tee_id is None else str(self.tee_id)),
            ("model", self.model),
            ("route", self.route),
        ):
            if text is not None:
                terms.append(f"{column} = ?")
                values.append(as_column(text))
        if self.pcr_hashes:
            terms.append(f"pcr_hash IN ({placeholders(self.pcr_hashes)})")
            values.extend(str(pcr_hash) for pcr_hash in self.pcr_hashes)
        for comparison, time in (("created_at >= ?", self.since), ("created_at < ?", self.until)):
            if time is not None:
                terms.append(comparison)
                values.append(float(time))
        return " AND ".join(terms), values
