"""Which outputs are in question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..._core.store import Value
from ...errors import ConfigurationError
from ...types import Address, Bytes32


@dataclass(frozen=True, slots=True)
class ImpactQuery:
    """The outputs in question: those for which everything that is given here holds.

    ``pcr_hashes`` are builds; any of them. ``version`` is the name under which builds were
    approved: the registry's history says which, so it comes together with their ``pcr_hashes``.
    It stands for these builds at all times, whatever name they had then. ``since`` (included) and
    ``until`` (not included) are Unix seconds between which the answer was given: after its question
    and before it was verified, by the clock of the client that asked. Where the enclave's clock or
    the chain's says otherwise, that is a doubt. ``owner`` and ``network`` narrow down who paid, and
    where.

    Raises:
        ConfigurationError: None of build, model and node is given, a version comes without its
            builds, or a time or a name is none.
    """

    pcr_hashes: frozenset[Bytes32] | None = None
    version: str | None = None
    model: str | None = None
    tee_id: Bytes32 | None = None
    since: float | None = None
    until: float | None = None
    owner: Address | None = None
    network: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and not self.pcr_hashes:
            raise ConfigurationError(
                f"no build is known of the version {self.version!r}",
                hint="The registry's history lists the versions: is the name spelt as there?",
            )
        if self.pcr_hashes is None and self.model is None and self.tee_id is None:
            raise ConfigurationError(
                "an impact is that of a build, a version, a model or a node: none was named",
                hint="Pass pcr_hash=, version=, model= or tee_id= (--pcr-hash, --version, --model, "
                "--tee-id); since= and until= narrow it.",
            )
        if self.pcr_hashes is not None and not self.pcr_hashes:
            raise ConfigurationError("an impact of no builds was asked for")
        for name, text in (("model", self.model), ("network", self.network)):
            if text is not None and not text:
                raise ConfigurationError(f"{name} is an empty text")
        self._check_period()

    def _check_period(self) -> None:
        for name, seconds in (("since", self.since), ("until", self.until)):
            if seconds is not None and not _is_time(seconds):
                raise ConfigurationError(
                    f"{name} is a finite number of Unix seconds, not {seconds!r}"
                )
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ConfigurationError(
                f"the period is empty: since {self.since:g} is not before until {self.until:g}"
            )

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.named())

    def named(self) -> Sequence[tuple[str, str]]:
        """Return what outputs are looked for by, without the period, as names and texts."""
        builds = sorted(str(pcr_hash) for pcr_hash in self.pcr_hashes or ())
        given = (
            ("version", self.version),
            *(("build", build) for build in builds),
            ("model", self.model),
            ("node", None if self.tee_id is None else str(self.tee_id)),
            ("owner", self.owner),
            ("network", self.network),
        )
        return [(name, value) for name, value in given if value is not None]

    def condition(self, *, earlier: float = 0.0, later: float = 0.0) -> tuple[str, list[Value]]:
        """Return the condition on a row of ``ledger_receipt`` in SQL, and its values.

        A row has only the time of the question: ``earlier`` and ``later`` are seconds by which the
        period is widened for those who then look at the answers.
        """
        terms: list[str] = []
        values: list[Value] = []
        if self.pcr_hashes is not None:
            terms.append(f"pcr_hash IN ({', '.join('?' * len(self.pcr_hashes))})")
            values += sorted(str(pcr_hash) for pcr_hash in self.pcr_hashes)
        for term, value in (
            ("model = ?", self.model),
            ("tee_id = ?", None if self.tee_id is None else str(self.tee_id)),
            ("created_at >= ?", None if self.since is None else self.since - earlier),
            ("created_at < ?", None if self.until is None else self.until + later),
            ("owner = ?", self.owner),
            ("network = ?", self.network),
        ):
            if value is not None:
                terms.append(term)
                values.append(value)
        return " AND ".join(terms), values


def _is_time(seconds: object) -> bool:
    return (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and math.isfinite(seconds)
    )
