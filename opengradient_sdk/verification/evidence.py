"""Evidence: every check that was made of an answer, and what together they prove.

Nothing here is a verdict of its own: the assurance is derived from the checks each time it is
asked for, so that evidence that grows (or is found to be wrong) can never disagree with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ._shapes import is_array, is_object

CHECKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fields": "the signed members of the answer are there and of the right kind",
        "coverage": "no unsigned part could be mistaken for signed; made only when one could",
        "tee_id": "the key is that of the node that was asked",
        "request_hash": "the request that was signed is the one sent",
        "output_hash": "the output that was signed is the one received",
        "signature": "the node's key signed these hashes and this time",
        "freshness": "the node's time and the client's agree",
        "registry": "the registry lists the key, the node and its build as active",
        "attestation": "hardware vouches for the build that holds the key and the certificate",
        "usage": "the node's token counts fit request and answer; made only when they do not",
        "charge": "the session was charged no more than its calls cost",
        "build_since": "the build is still approved; what comes later takes no answer back",
    }
)
"""Every check that this package makes of an answer, by name, with what it says when it passes.

The first seven are made in this order, and the first that fails is the last that is made. A name
that is not in the evidence was not looked at. Evidence of another version, and that of a bundle,
may have other names.
"""

_SAME: Final = 512
"""Checks that are read once for many answers: most say the same of all answers of a node."""


class CheckStatus(Enum):
    """How a check ended, or why it has not.

    PENDING: what would decide it has not happened yet. NOT CHECKED: it could have been looked at
    and was not, or cannot be decided. Neither counts as passed.
    """

    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"
    NOT_CHECKED = "not checked"

    # checks are looked up with every answer, and the hash that Enum brings is a call of its own
    __hash__ = object.__hash__


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

    Evidence is kept when content is forgotten, so neither text repeats a question, an answer, a
    hash of them or their signature.

    Attributes:
        name: What was looked at: a name of ``CHECKS``.
        status: How it ended.
        reason: One sentence: why it ended so.
        source: Where the facts came from: which key, block, document, clock or endpoint.
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

    Raises:
        ValueError: Two checks have one name.

    Example:
        >>> names = ("request_hash", "output_hash", "signature")
        >>> evidence = Evidence(tuple(Check(name, CheckStatus.PASSED) for name in names))
        >>> evidence.assurance.name
        'SIGNED'
        >>> evidence.with_(Check("registry", CheckStatus.PASSED)).assurance.name
        'REGISTERED'
    """

    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        # a second check of one name could pass where the first has failed
        if len({check.name for check in self.checks}) != len(self.checks):
            raise ValueError("evidence with two checks of one name")

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return self._that_are(CheckStatus.FAILED)

    @property
    def pending(self) -> tuple[Check, ...]:
        """The checks that wait for something; they prove nothing until it has come."""
        return self._that_are(CheckStatus.PENDING)

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

    def _that_are(self, status: CheckStatus) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.status is status)

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
        return cls(tuple(_check_from_json(check) for check in checks))


def _check_from_json(value: object) -> Check:
    if not is_object(value):
        raise ValueError("a check is not an object")
    name, status = value.get("name"), value.get("status")
    reason, source = value.get("reason"), value.get("source")
    if not (isinstance(name, str) and isinstance(reason, str) and isinstance(source, str)):
        raise ValueError("a check without name, reason, source as text")
    if not isinstance(status, str):
        raise ValueError(f"{status!r} is not how a check ends")
    return _check(name, status, reason, source)


@lru_cache(_SAME)
def _check(name: str, status: str, reason: str, source: str) -> Check:
    return Check(name, CheckStatus(status), reason, source)
