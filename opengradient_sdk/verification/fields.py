"""The signed members of an answer (``tee_*``), read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import VerificationError
from ._shapes import is_object
from .evidence import Check, CheckStatus, Evidence

_DECIMAL = re.compile(r"[0-9]{1,20}\Z")
_MAX_TIMESTAMP: Final = 2**64 - 1
_NODE: Final = "the node's answer"


@dataclass(frozen=True, slots=True)
class SignedFields:
    """What a node says that it signed, as it said it.

    Attributes:
        tee_id: 64 lower-case hex digits without 0x, when they were hex at all.
        request_hash: Hex as reported, without 0x; compared in lower case.
        output_hash: Hex as reported, without 0x; compared in lower case.
        timestamp: Unix seconds by the enclave's clock.
        signature: Base64 as reported; decoded when it is verified.
    """

    tee_id: str
    request_hash: str
    output_hash: str
    timestamp: int
    signature: str

    @classmethod
    def from_json(cls, answer: object) -> SignedFields:
        """Return the ``tee_*`` members of a plain answer or of a stream's final frame.

        The time may be an integer or a decimal text; a boolean, a float, a negative number or an
        ISO date is refused. The id may be upper case; 0x is optional in the id and the hashes.

        Raises:
            VerificationError: A member is missing or of the wrong kind.
        """
        if not is_object(answer):
            raise _unusable("the answer is not a JSON object")
        return cls(
            tee_id=_text(answer, "tee_id").lower().removeprefix("0x"),
            request_hash=_text(answer, "tee_request_hash").removeprefix("0x"),
            output_hash=_text(answer, "tee_output_hash").removeprefix("0x"),
            timestamp=_timestamp(answer.get("tee_timestamp")),
            signature=_text(answer, "tee_signature"),
        )


def _text(answer: Mapping[str, object], member: str) -> str:
    value = answer.get(member)
    if not isinstance(value, str):
        raise _unusable(f"{member} is {'missing' if value is None else 'not text'}")
    return value


def _timestamp(value: object) -> int:
    if isinstance(value, str) and _DECIMAL.match(value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= _MAX_TIMESTAMP:
        raise _unusable("tee_timestamp is not a whole number of Unix seconds")
    return value


def _unusable(reason: str) -> VerificationError:
    return VerificationError(
        f"the answer cannot be verified: {reason}",
        hint="the node did not sign this answer as the protocol says; use another node",
        evidence=Evidence((Check("fields", CheckStatus.FAILED, reason, _NODE),)),
    )
