"""What the facilitator asks a chain."""

from __future__ import annotations

from typing import cast

import aiohttp

from ...errors import RpcError
from ...types import Address, bytes_to_hex, hex_to_bytes
from ..evm.errors import JsonRpcError
from ..evm.interface import Evm
from . import abi


class Rpc:
    """A chain's JSON-RPC, whose errors are this package's."""

    def __init__(self, evm: Evm) -> None:
        self._evm = evm

    @property
    def chain_id(self) -> int:
        """The chain id (EIP-155)."""
        return self._evm.chain_id

    async def request(self, method: str, *params: object) -> object:
        """Return the ``result`` of one JSON-RPC call.

        Raises:
            RpcError: The call failed; ``data`` carries the revert data of an ``eth_call``, and
                ``code`` is ``None`` where no answer came at all.
        """
        try:
            return await self._evm.request(method, params)
        except JsonRpcError as error:
            raise RpcError(error.message, code=error.code, data=error.data) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RpcError(f"the chain does not answer: {error!r}") from error


class ChainReader:
    """The questions that a facilitator asks a chain before it spends gas."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    @property
    def chain_id(self) -> int:
        """The chain id (EIP-155)."""
        return self._rpc.chain_id

    async def token_balance(self, token: Address, owner: Address) -> int:
        """Return the atoms of ``token`` that ``owner`` holds."""
        return abi.decode_uint(await self.call(token, abi.balance_of(owner)))

    async def allowance(self, token: Address, owner: Address, spender: Address) -> int:
        """Return the atoms of ``token`` that ``spender`` may take from ``owner``."""
        return abi.decode_uint(await self.call(token, abi.allowance(owner, spender)))

    async def has_code(self, account: Address) -> bool:
        """Return whether ``account`` is a contract."""
        return await self._rpc.request("eth_getCode", account, "latest") not in ("0x", "0x0")

    async def wei(self, account: Address) -> int:
        """Return the native balance of ``account``."""
        return quantity(await self._rpc.request("eth_getBalance", account, "latest"))

    async def next_nonce(self, account: Address) -> int:
        """Return the account nonce that the next transaction of ``account`` must carry."""
        return quantity(await self._rpc.request("eth_getTransactionCount", account, "latest"))

    async def call(self, to: Address, data: bytes, *, sender: Address | None = None) -> bytes:
        """Return what ``to`` answers to ``data`` on the pending state, without a transaction.

        Raises:
            RpcError: It reverted (see ``revert_data``), or the chain did not answer.
        """
        call: dict[str, object] = {"to": to, "data": bytes_to_hex(data)}
        if sender is not None:
            call["from"] = sender
        return hex_to_bytes(cast("str", await self._rpc.request("eth_call", call, "pending")))


def quantity(value: object) -> int:
    """Return the integer of a JSON-RPC quantity (0x-hex)."""
    if not isinstance(value, str):
        raise RpcError(f"the chain answered {type(value).__name__} where a quantity was expected")
    return int(value, 16)


def revert_data(error: RpcError) -> bytes | None:
    """Return the revert data of a failed ``eth_call``, or ``None`` where it was no revert.

    A node puts the data of a revert into the error as hex text; some leave it out for an empty one.
    """
    if isinstance(error.data, str) and error.data.startswith("0x"):
        return hex_to_bytes(error.data)
    return b"" if "revert" in error.short_message else None
