"""web3.py over this package's own connections: no second pool, the same failover and checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from web3 import AsyncWeb3
from web3.providers.async_base import AsyncJSONBaseProvider

from ..errors import RpcError
from ..types import bytes_to_hex
from .jsonrpc import Outcome
from .node_errors import Fault
from .rpc import Rpc

if TYPE_CHECKING:
    from web3.types import RPCEndpoint, RPCResponse


class RpcProvider(AsyncJSONBaseProvider):
    """A web3 provider that asks an ``Rpc``. The node's own errors reach web3 as they are."""

    def __init__(self, rpc: Rpc) -> None:
        super().__init__()
        self._rpc = rpc

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:  # noqa: ANN401 - web3's own
        """Return the answer to one call as web3 expects it.

        Raises:
            RpcError: No endpoint answered.
            WrongChainError: An endpoint serves another chain.
        """
        return _answer(await self._rpc.outcome(str(method), _plain(params)))

    async def make_batch_request(
        self, requests: list[tuple[RPCEndpoint, Any]]
    ) -> list[RPCResponse]:
        """Return the answers to several calls, in order.

        Raises:
            RpcError, WrongChainError: As ``make_request``.
        """
        calls = [(str(method), _plain(params)) for method, params in requests]
        return [_answer(outcome) for outcome in await self._rpc.outcomes(calls)]

    async def is_connected(self, show_traceback: bool = False) -> bool:  # noqa: FBT001, FBT002 - web3's
        """Return whether an endpoint answers; web3's own signature.

        Raises:
            RpcError: None does, and ``show_traceback`` asks for the reason.
        """
        try:
            await self._rpc.chain_id()
        except RpcError:
            if show_traceback:
                raise
            return False
        return True


def web3_over(rpc: Rpc) -> AsyncWeb3[AsyncJSONBaseProvider]:
    """Return web3.py's asynchronous client over ``rpc``."""
    return AsyncWeb3(RpcProvider(rpc))


def _plain(value: object) -> Any:  # noqa: ANN401 - web3 takes JSON values
    """Return web3's own mappings, tuples and byte strings as plain JSON values."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value)
        return {name: _plain(member) for name, member in members.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[object]", value)]
    return bytes_to_hex(value) if isinstance(value, bytes) else value


def _answer(outcome: Outcome) -> RPCResponse:
    if not isinstance(outcome, Fault):
        return {"jsonrpc": "2.0", "id": 0, "result": outcome}
    error: dict[str, object] = {"code": outcome.code or 0, "message": outcome.message}
    if outcome.data is not None:
        error["data"] = outcome.data
    return cast("RPCResponse", {"jsonrpc": "2.0", "id": 0, "error": error})
