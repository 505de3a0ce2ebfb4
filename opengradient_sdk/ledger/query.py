"""Which receipts are looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from .._core.store import Value
from ..types import Address, Bytes32
from .entries import as_column, placeholders

_FEWEST: Final = 1
_MOST_BRANCHES: Final = 32
_COMMON_ROUTE: Final = "/v1/chat/completions"

Condition = tuple[str, list[Value]]
"""What a row must hold, in SQL, and the values of its ``?``."""


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

    def branches(self, owner: Address, network: str) -> list[Condition]:
        """Return conditions of which every matching row meets exactly one, one for each build.

        An index has the rows of one build in the order of their times, those of several not: to
        find the first hundred of them, all would be read and sorted.
        """
        builds = dict.fromkeys(self.pcr_hashes)
        if not 1 < len(builds) <= _MOST_BRANCHES:
            return [self.condition(owner, network)]
        return [replace(self, pcr_hashes=(each,)).condition(owner, network) for each in builds]

    def condition(self, owner: Address, network: str) -> Condition:
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
        if self.route not in (None, _COMMON_ROUTE) and not self._is_narrow:
            # SQLite takes ledger_receipt_route only for a statement that says it in these words
            terms.append(f"route <> '{_COMMON_ROUTE}'")
        if self.pcr_hashes:
            terms.append(f"pcr_hash IN ({placeholders(self.pcr_hashes)})")
            values.extend(str(pcr_hash) for pcr_hash in self.pcr_hashes)
        for comparison, time in (("created_at >= ?", self.since), ("created_at < ?", self.until)):
            if time is not None:
                terms.append(comparison)
                values.append(float(time))
        return " AND ".join(terms), values

    @property
    def _is_narrow(self) -> bool:
        """Whether it asks for one of those things of which there are many."""
        named = (self.run, self.tag, self.tee_id, self.model)
        return bool(self.pcr_hashes) or any(each is not None for each in named)
