"""What the verification of one bundle has found so far."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ...errors import VerificationError
from ...verification import Check, CheckStatus, Evidence

COMPUTED: Final = "computed here"
BUNDLE: Final = "the bundle"


class Findings:
    """Checks in their order, and the members that they bind; a failed check ends it.

    ``bound`` holds JSON paths. A path stands for everything below it.
    """

    __slots__ = ("_checks", "bound")

    def __init__(self) -> None:
        self._checks: list[Check] = []
        self.bound: list[str] = []

    @property
    def evidence(self) -> Evidence:
        """The checks so far."""
        return Evidence(tuple(self._checks))

    def passed(self, name: str, reason: str, *binds: str, source: str = COMPUTED) -> None:
        """Note a check that passed: no member of ``binds`` could be another one unnoticed."""
        self._checks.append(_passed(name, reason, source))
        self.bound += binds

    def left_open(self, name: str, reason: str, source: str = BUNDLE) -> None:
        """Note what was not checked, and why."""
        self._checks.append(_left_open(name, reason, source))

    def refusal(
        self,
        error: type[VerificationError],
        name: str,
        reason: str,
        source: str = BUNDLE,
        *,
        hint: str = "do not rely on it: it was altered, or what it says was never so",
    ) -> VerificationError:
        """Return the error to raise for a failed check, with the evidence so far and this last."""
        self._checks.append(Check(name, CheckStatus.FAILED, reason, source))
        return error(
            f"the bundle is not verified ({name}): {reason}",
            hint=hint,
            evidence=self.evidence,
        )


# most checks of an honest bundle are, word for word, those of the one before
@lru_cache(maxsize=256)
def _passed(name: str, reason: str, source: str) -> Check:
    return Check(name, CheckStatus.PASSED, reason, source)


@lru_cache(maxsize=256)
def _left_open(name: str, reason: str, source: str) -> Check:
    return Check(name, CheckStatus.NOT_CHECKED, reason, source)
