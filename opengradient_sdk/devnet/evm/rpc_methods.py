"""The JSON-RPC methods of the in-process chain: one table, checked before it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from ...types import bytes_to_hex, keccak256
from . import rpc_params as params
from .errors import METHOD_NOT_FOUND, JsonRpcError, invalid_params
from .rpc_execution import Execution
from .rpc_filters import Filters
from .rpc_history import History
from .rpc_state import StateReads

if TYPE_CHECKING:
    from ..._core.clock import Clock
    from .machine import Machine

Method = Callable[..., object]


class RpcMethods:
    """What a JSON-RPC request can ask of one chain. Not thread-safe, like its machine."""

    def __init__(self, machine: Machine, clock: Clock, *, finality_depth: int) -> None:
        tags = params.Tags(machine, finality_depth)
        self._methods: Mapping[str, Method] = {
            **_about(machine),
            **StateReads(machine, tags).methods(),
            **History(machine, tags).methods(),
            **Filters(machine, tags).methods(),
            **Execution(machine, tags, clock).methods(),
        }
        self._arity = {name: _arity(method) for name, method in self._methods.items()}

    def __call__(self, method: str, arguments: Sequence[object]) -> object:
        """Return the result of ``method``.

        Raises:
            JsonRpcError: No such method, parameters that cannot be understood, or a refusal.
        """
        implementation = self._methods.get(method)
        if implementation is None:
            raise JsonRpcError(
                METHOD_NOT_FOUND, f"the method {method} does not exist/is not available"
            )
        least, most = self._arity[method]
        if len(arguments) < least:
            raise invalid_params(f"missing value for required argument {len(arguments)}")
        if len(arguments) > most:
            raise invalid_params(f"too many arguments, want at most {most}")
        return implementation(*arguments)


def _about(machine: Machine) -> dict[str, Method]:
    chain_id = machine.chain_id
    client = f"opengradient-devnet/py-evm-{version('py-evm')}"
    return {
        "eth_chainId": lambda: hex(chain_id),
        "net_version": lambda: str(chain_id),
        "net_listening": lambda: True,
        "web3_clientVersion": lambda: client,
        "web3_sha3": _sha3,
        "eth_syncing": lambda: False,
        "eth_accounts": lambda: [],
    }


def _sha3(value: object) -> str:
    return bytes_to_hex(keccak256(params.data(value)))


def _arity(method: Method) -> tuple[int, int]:
    accepted = inspect.signature(method).parameters.values()
    required = [p for p in accepted if p.default is inspect.Parameter.empty]
    return len(required), len(accepted)
