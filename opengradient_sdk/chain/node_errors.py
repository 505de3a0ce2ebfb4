"""One error tree, whatever words a node finds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from ..errors import (
    ChainError,
    FeeTooLowError,
    InsufficientFundsError,
    NonceError,
    RevertedError,
    RpcError,
    TransactionError,
)
from .node_wordings import FaultKind as FaultKind
from .node_wordings import kind_of, refusal_hint
from .reverts import decode_revert

_MAX_SHOWN: Final = 300
_LONGEST_MESSAGE: Final = 4_000
_PROVES_ABSENCE: Final = frozenset(
    {
        FaultKind.NONCE_TOO_LOW,
        FaultKind.NONCE_TOO_HIGH,
        FaultKind.FEE_TOO_LOW,
        FaultKind.INSUFFICIENT_FUNDS,
        FaultKind.REVERTED,
        FaultKind.REFUSED,
    }
)
_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_REASON: Final = re.compile(
    r"(?:execution reverted|reverted with reason string|reverted with custom error)"
    r"[:,]?\s*['\"]?(.*?)['\"]?\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """The error member of a JSON-RPC answer; ``url`` is the endpoint without its secrets.

    ``after_lost_answer``: the same transaction was sent before, within the same call, and no answer
    came; whatever this answer says, the first one may have been taken.
    """

    code: int | None
    message: str
    data: object = field(default=None, repr=False)
    url: str = ""
    after_lost_answer: bool = False

    @classmethod
    def from_json(cls, error: object, url: str) -> Fault:
        """Read the ``error`` member of an answer; anything odd becomes its text."""
        if not isinstance(error, Mapping):
            return cls(None, str(error)[:_MAX_SHOWN], url=url)
        members = cast("Mapping[str, object]", error)
        code = members.get("code")
        return cls(
            code if isinstance(code, int) else None,
            str(members.get("message") or "no message")[:_LONGEST_MESSAGE],
            members.get("data"),
            url,
        )

    @property
    def kind(self) -> FaultKind:
        """What this error means."""
        return kind_of(self.code, self.message)

    @property
    def is_the_endpoints(self) -> bool:
        """Whether another endpoint, or this one a little later, may answer the same call."""
        return self.kind in (FaultKind.RATE_LIMITED, FaultKind.BEHIND)

    @property
    def refuses_transaction(self) -> bool:
        """Whether this answer proves that no node took the transaction from the call it answers.

        Not whether one took it from an earlier call. Words that nobody knows prove nothing.
        """
        return self.kind in _PROVES_ABSENCE and not self.after_lost_answer

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
            case FaultKind.REFUSED:
                return TransactionError(
                    f"the node does not take this transaction ({said})",
                    hint=refusal_hint(self.message),
                )
            case FaultKind.POOL_FULL:
                return self._unspecific(said, "Send the same again a little later.")
            case _:
                return self._unspecific(said)

    def _unspecific(self, said: str, hint: str = "") -> RpcError:
        return RpcError(
            f"{self.url or 'the RPC endpoint'} answered with an error: {said}",
            hint=hint,
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
