"""Evidence: every check that was made of an answer, and what together they prove.

Nothing here is a verdict of its own: the assurance is derived from the checks each time it is
asked for, so that evidence that grows (or is found to be wrong) can never disagree with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

from ._shapes import is_array, is_object


class CheckStatus(Enum):
    """How a check ended, or why it has not."""

    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"
    NOT_CHECKED = "not checked"


class Assurance(IntEnum):
    """What is proven about an answer; a rung includes those below it.

    SIGNED: hashes and RSA-PSS signature hold for a key. REGISTERED: the on-chain registry lists
    that key, its node and its build as active. ATTESTED: a hardware attestation checked by this
    package binds the key and the node's certificate to an accepted build.
    """

    UNVERIFIED = 0
    SIGNED = 1
    REGISTERED = 2
    ATTESTED = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What was looked at, for example ``request_hash``.
        status: How it ended.
        reason: One sentence: why it ended so.
        source: Where the facts came from, for example a registry and its block.
    """

    name: str
    status: CheckStatus
    reason: str = ""
    source: str = ""


_RUNGS: tuple[tuple[Assurance, frozenset[str]], ...] = (
    (Assurance.SIGNED, frozenset({"request_hash", "output_hash", "signature"})),
    (Assurance.REGISTERED, frozenset({"registry"})),
    (Assurance.ATTESTED, frozenset({"attestation"})),
)
# failing one of these, an answer is worth nothing however well it is signed
_FOUNDATIONS = frozenset({"fields", "coverage", "tee_id", "freshness"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """The checks made of one answer, in the order they were made; names are unique.

    Example:
        >>> names = ("request_hash", "output_hash", "signature")
        >>> evidence = Evidence(tuple(Check(name, CheckStatus.PASSED) for name in names))
        >>> evidence.assurance.name
        'SIGNED'
        >>> evidence.with_(Check("registry", CheckStatus.PASSED)).assurance.name
        'REGISTERED'
    """

    checks: tuple[Check, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status is CheckStatus.FAILED)

    @property
    def assurance(self) -> Assurance:
        """The highest rung of which every check, and every rung below, passed.

        A failed check of the answer's foundations (its fields, its coverage, the node's identity,
        its freshness) leaves it UNVERIFIED.
        """
        passed: set[str] = set()
        for check in self.checks:
            if check.status is CheckStatus.PASSED:
                passed.add(check.name)
            elif check.status is CheckStatus.FAILED and check.name in _FOUNDATIONS:
                return Assurance.UNVERIFIED
        reached = Assurance.UNVERIFIED
        for rung, needed in _RUNGS:
            if not needed <= passed:
                break
            reached = rung
        return reached

    def get(self, name: str) -> Check | None:
        """Return the check of that name, or ``None`` when it is not part of this evidence."""
        return next((check for check in self.checks if check.name == name), None)

    def with_(self, check: Check) -> Evidence:
        """Return this evidence with ``check``, in the place of an older one of the same name."""
        if self.get(check.name) is None:
            return Evidence((*self.checks, check))
        return Evidence(tuple(check if c.name == check.name else c for c in self.checks))

    def to_json(self) -> dict[str, object]:
        """Return the portable form: plain JSON values. The assurance is not part of it."""
        return {
            "checks": [
                {"name": c.name, "status": c.status.value, "reason": c.reason, "source": c.source}
                for c in self.checks
            ]
        }

    @classmethod
    def from_json(cls, value: object) -> Evidence:
        """Return the evidence that ``to_json`` wrote.

        Raises:
            ValueError: Not that form, or two checks of one name.
        """
        checks = value.get("checks") if is_object(value) else None
        if not is_array(checks):
            raise ValueError("evidence without a list of checks")
        evidence = cls(tuple(_check_from_json(check) for check in checks))
        if len({check.name for check in evidence.checks}) != len(evidence.checks):
            raise ValueError("evidence with two checks of one name")
        return evidence


def _check_from_json(value: object) -> Check:
    if not is_object(value):
        raise ValueError("a check is not an object")
    name, reason, source = _texts(value, "name", "reason", "source")
    return Check(name, CheckStatus(value.get("status")), reason, source)


def _texts(value: Mapping[str, object], *members: str) -> list[str]:
    texts = [value.get(member) for member in members]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"a check without {', '.join(members)} as text")
    return [str(text) for text in texts]
