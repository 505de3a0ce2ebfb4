"""Signs of life of the nodes, sent to the registry at the facilitator's expense."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final, Self

from ...errors import ChainError
from ...types import Address, Bytes32
from . import abi
from .account import Account
from .permit import Json
from .reasons import MalformedRequestError

_MAX_SIGNATURE: Final = 1024
_MAX_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A signed sign of life: ``timestamp`` is in Unix seconds."""

    tee_id: Bytes32
    timestamp: int
    signature: bytes = field(repr=False)
    contract: Address

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Return the heartbeat in a request body.

        Raises:
            MalformedRequestError: A member is missing or malformed.
        """
        names = ("teeId", "timestamp", "signature", "contractAddress")
        texts = {name: text for name in names if isinstance(text := body.get(name), str) and text}
        if missing := [name for name in names if name not in texts]:
            raise MalformedRequestError(f"Missing {', '.join(missing)}")
        try:
            return cls(
                tee_id=Bytes32(texts["teeId"]),
                timestamp=_seconds(texts["timestamp"]),
                signature=_signature(texts["signature"]),
                contract=Address(texts["contractAddress"]),
            )
        except ValueError as error:
            raise MalformedRequestError(str(error)) from None


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ValueError("timestamp must be a decimal number of seconds")
    return int(text)


def _signature(text: str) -> bytes:
    try:
        signature = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("signature must be base64") from None
    if not 0 < len(signature) <= _MAX_SIGNATURE:
        raise ValueError(f"signature must have 1 to {_MAX_SIGNATURE} bytes")
    return signature


class HeartbeatRelay:
    """Forwards heartbeats to the one registry that this facilitator knows."""

    def __init__(self, account: Account, contract: Address) -> None:
        self._account = account
        self._contract = contract

    async def send(self, heartbeat: Heartbeat) -> dict[str, object]:
        """Submit ``heartbeat`` and return the answer for the node.

        Raises:
            MalformedRequestError: It is meant for another contract.
            ChainError: The registry refused it, or the chain did not answer.
        """
        if heartbeat.contract != self._contract:
            raise MalformedRequestError(f"contractAddress must be {self._contract}")
        call = abi.heartbeat(heartbeat.tee_id, heartbeat.timestamp, heartbeat.signature)
        mined = await self._account.execute(self._contract, call)
        if not mined.succeeded:
            raise ChainError(f"the heartbeat {mined.hash} reverted")
        return {
            "success": True,
            "txHash": str(mined.hash),
            "teeId": str(heartbeat.tee_id),
            "timestamp": str(heartbeat.timestamp),
            "relayer": self._account.address,
            "contract": self._contract,
        }
