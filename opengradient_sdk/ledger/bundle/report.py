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
            *self._about_the_document(),
        ]
        lines += [f"  {c.status.value}: {c.name} – {c.reason}" for c in self.evidence.checks]
        if open_ := sum(c.status is CheckStatus.NOT_CHECKED for c in self.evidence.checks):
            lines.append(f"{open_} checks need what is left out, or a look at the chain.")
        if waiting := len(self.evidence.pending):
            lines.append(f"{waiting} checks wait for the chain to make a block final: ask again.")
        lines.append("Claims that no check binds: " + ", ".join(self.unproven) + ".")
        return "\n".join(lines)

    def _about_the_document(self) -> tuple[str, ...]:
        """Return the one sentence on what a good attestation document says, and what it does not.

        It is a check of its own that lifts the answer over no rung: REGISTERED is below ATTESTED,
        and whether the registry listed the node is not in the document.
        """
        document, registry = self.evidence.get("document"), self.evidence.get("registry")
        if document is None or document.status is not CheckStatus.PASSED:
            return ()
        attested = self.evidence.get("attestation")
        is_accepted = attested is not None and attested.status is CheckStatus.PASSED
        build = "a build that you accept" if is_accepted else "the build that it names"
        proves = f"The attestation document proves that an enclave of {build} held the signing key"
        if registry is not None and registry.status is CheckStatus.PASSED:
            return (f"{proves}, and the chain shows that the registry listed the node.",)
        return (
            f"{proves}; it does not prove that the registry listed the node at the time, "
            "which only the chain can say: verify with --online.",
        )
