"""The error objects of JSON-RPC 2.0, with the codes that Ethereum clients use."""

from __future__ import annotations

from typing import Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SERVER_ERROR: Final = -32000
EXECUTION_REVERTED: Final = 3


class JsonRpcError(Exception):
    """A JSON-RPC call was answered with an error.

    Attributes:
        code: The JSON-RPC error code; 3 is a revert, as in geth.
        message: What went wrong, in geth's words where geth has words for it.
        data: Revert data as 0x-hex, where the EVM returned any.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data

    def to_json(self) -> dict[str, object]:
        """Return the ``error`` member of a response."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


def invalid_params(message: str) -> JsonRpcError:
    """Return the error for parameters that cannot be understood."""
    return JsonRpcError(INVALID_PARAMS, message)


def refused(message: str) -> JsonRpcError:
    """Return the error for a request that was understood and cannot be carried out."""
    return JsonRpcError(SERVER_ERROR, message)
