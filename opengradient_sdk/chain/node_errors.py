"""One error tree, whatever words a node finds.

JSON-RPC fixes no codes for what goes wrong with a transaction, and every node has its own wording.
All of the matching on node texts in this package is in this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, cast

from ..errors import (
    ChainError,
    FeeTooLowError,
    InsufficientFundsError,
    NonceError,
    RevertedError,
    RpcError,
)
from .reverts import decode_revert

_REVERTED_CODES: Final = (3, -32015)  # geth and those who follow it; parity and nethermind
_MAX_SHOWN: Final = 300


class FaultKind(Enum):
    """What a node's error means, as far as anything is done about it."""

    ALREADY_KNOWN = auto()
    NONCE_TOO_LOW = auto()
    NONCE_TOO_HIGH = auto()
    FEE_TOO_LOW = auto()
    INSUFFICIENT_FUNDS = auto()
    REVERTED = auto()
    TOO_MANY_LOGS = auto()
    RATE_LIMITED = auto()
    BEHIND = auto()
    OTHER = auto()


# Read in this order: "replacement fee too low" must not be taken for a nonce that is too low, and
# a Cosmos EVM wraps every refusal in several layers of other words.
_WORDINGS: Final[tuple[tuple[FaultKind, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            FaultKind.ALREADY_KNOWN,
            r"already known|known transaction|already imported|alreadyknown"
            r"|existing tx with same hash|already (exists )?in (the )?(mem)?pool",
        ),
        (
            FaultKind.FEE_TOO_LOW,
            r"underpriced|fee too low|feetoolow|gas ?price too low|replacementnotallowed"
            r"|could not replace existing|fee per gas less than block base fee"
            r"|below (the )?(configured )?minimum|insufficient fee|less than .*minimum .*fee"
            r"|gas price supplied is too low|does not exceed base fee",
        ),
        (
            FaultKind.NONCE_TOO_LOW,
            r"nonce (is )?too low|oldnonce|nonce has already been used|nonce already used",
        ),
        (
            FaultKind.NONCE_TOO_HIGH,
            r"nonce (is )?too high|noncegap|nonce gap|nonce is too distant|gapped[- ]nonce",
        ),
        (
            FaultKind.INSUFFICIENT_FUNDS,
            r"insufficient funds|insufficient balance|insufficientfunds|funds for gas"
            r"|upfront cost exceeds account balance|does(n't| not) have enough funds",
        ),
        (
            FaultKind.REVERTED,
            r"execution reverted|reverted with|vm execution error|transaction reverted",
        ),
        (
            # before the rate limits: several nodes use one code for both
            FaultKind.TOO_MANY_LOGS,
            r"query returned more than|(block )?range (is )?(too (large|wide|big)|exceeds|limit)"
            r"|exceed(s|ed)? (the )?max(imum)? (block )?range|too many (blocks|logs|results)"
            r"|response size (exceeded|is larger)|logs matched by query exceeds",
        ),
        (
            FaultKind.RATE_LIMITED,
            r"rate.?limit|too many requests|request limit|exceeded .*(quota|capacity|compute)"
            r"|over capacity|throttled",
        ),
        (
            FaultKind.BEHIND,
            r"header not found|missing trie node|unknown block|block not found"
            r"|state (is )?not available|state .*is not available",
        ),
    )
)
_RATE_LIMIT_CODES: Final = (-32005, -32016, -32029)
_COSMOS_NONCE: Final = re.compile(r"invalid nonce; got (\d+), expected (\d+)", re.IGNORECASE)
_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_REASON: Final = re.compile(
    r"(?:execution reverted|reverted with reason string|reverted with custom error)"
    r"[:,]?\s*['\"]?(.*?)['\"]?\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """The error member of a JSON-RPC answer; ``url`` is the endpoint without its secrets."""

    code: int | None
    message: str
    data: object = field(default=None, repr=False)
    url: str = ""

    @classmethod
    def from_json(cls, error: object, url: str) -> Fault:
        """Read the ``error`` member of an answer; anything odd becomes its text."""
        if not isinstance(error, Mapping):
            return cls(None, str(error)[:_MAX_SHOWN], url=url)
        members = cast("Mapping[str, object]", error)
        code = members.get("code")
        return cls(
            code if isinstance(code, int) else None,
            str(members.get("message") or "no message"),
            members.get("data"),
            url,
        )

    @property
    def kind(self) -> FaultKind:
        """What this error means."""
        if self.code in _REVERTED_CODES:
            return FaultKind.REVERTED
        if cosmos := _COSMOS_NONCE.search(self.message):
            low = int(cosmos[1]) < int(cosmos[2])
            return FaultKind.NONCE_TOO_LOW if low else FaultKind.NONCE_TOO_HIGH
        for kind, pattern in _WORDINGS:
            if pattern.search(self.message):
                return kind
        return FaultKind.RATE_LIMITED if self.code in _RATE_LIMIT_CODES else FaultKind.OTHER

    @property
    def is_the_endpoints(self) -> bool:
        """Whether another endpoint, or this one a little later, may answer the same call."""
        return self.kind in (FaultKind.RATE_LIMITED, FaultKind.BEHIND)

    def to_error(self, errors: Mapping[bytes, str] | None = None) -> ChainError:
        """Return the exception that this error is; ``errors`` names further custom errors."""
        said = self.message[:_MAX_SHOWN]
        match self.kind:
            case FaultKind.REVERTED:
                return self._reverted(errors)
            case FaultKind.NONCE_TOO_LOW:
                return NonceError(
                    f"the account's nonce was already used ({said})",
                    hint="Another transaction of this account came first. Build it again.",
                )
            case FaultKind.NONCE_TOO_HIGH:
                return NonceError(
                    f"a transaction with a lower nonce is missing ({said})",
                    hint="Send the missing one first, or build this one again.",
                )
            case FaultKind.FEE_TOO_LOW:
                return FeeTooLowError(
                    f"the offered fee is too low ({said})",
                    hint="Build it again, or set a higher max_fee_per_gas; a replacement needs "
                    "at least a tenth more than what it replaces.",
                )
            case FaultKind.INSUFFICIENT_FUNDS:
                return InsufficientFundsError(
                    f"the account cannot pay the value and the fee ({said})",
                    hint="Send the chain's own coin to the account, or lower value, gas or fees.",
                )
            case _:
                return RpcError(
                    f"{self.url or 'the RPC endpoint'} answered with an error: {said}",
                    code=self.code,
                    data=self.data,
                    url=self.url,
                )

    def _reverted(self, errors: Mapping[bytes, str] | None) -> RevertedError:
        data = revert_data(self.data)
        reason = decode_revert(data, errors) if data else self._worded_reason()
        return RevertedError(f"the call reverts: {reason}", reason=reason, data=data)

    def _worded_reason(self) -> str:
        worded = _REASON.search(self.message)
        return (worded[1] if worded else "") or "no reason given"


def revert_data(data: object) -> bytes:
    """Return the revert data inside an error's ``data``, empty where there is none.

    geth sends hex, parity and nethermind ``Reverted 0x…``, others an object that holds it.
    """
    if isinstance(data, str):
        found = _HEX.search(data)
        return bytes.fromhex(found[0][2:]) if found else b""
    if isinstance(data, Mapping):
        members = cast("Mapping[str, object]", data)
        inner = members.get("data", members.get("result"))
        return revert_data(inner) if inner is not None else b""
    return b""
