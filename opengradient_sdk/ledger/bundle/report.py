"""What the verification of a bundle found, and what it could not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...verification import Assurance, CheckStatus, Evidence
from .covering import covered_and_not
from .form import Bundle


@dataclass(frozen=True, slots=True)
class BundleReport:
    """A bundle of which no check failed. **Trust**: it proves what ``proven`` lists, no more.

    Attributes:
        id: The receipt's id, as the bundle names it.
        evidence: Every check; what only a chain can say is not checked, and says so.
        value: The bundle as it was parsed.
        bundle: Its typed members.
        bound: The JSON paths that checks bind, each with everything below it.
    """

    id: str
    evidence: Evidence
    value: Mapping[str, Any] = field(repr=False)
    bundle: Bundle = field(repr=False)
    bound: tuple[str, ...] = field(repr=False)

    @property
    def assurance(self) -> Assurance:
        """How much is proven about the answer, derived from the evidence."""
        return self.evidence.assurance

    @property
    def proven(self) -> tuple[str, ...]:
        """The JSON paths of the members that could not be others without a check failing."""
        return covered_and_not(self.value, self.bound)[0]

    @property
    def unproven(self) -> tuple[str, ...]:
        """The JSON paths of the members that no check binds: they are claims."""
        return covered_and_not(self.value, self.bound)[1]

    def explain(self) -> str:
        """Return plain sentences: what was checked, what was not and why, what is only claimed."""
        lines = [
            f"Bundle of receipt {self.id}: no check failed.",
            f"Proven about the answer: {self.assurance.name}.",
        ]
        lines += [f"  {c.status.value}: {c.name} – {c.reason}" for c in self.evidence.checks]
        open_ = sum(c.status is CheckStatus.NOT_CHECKED for c in self.evidence.checks)
        if open_:
            lines.append(f"{open_} checks need what is left out, or a look at the chain.")
        lines.append("Claims that no check binds: " + ", ".join(self.unproven) + ".")
        return "\n".join(lines)
