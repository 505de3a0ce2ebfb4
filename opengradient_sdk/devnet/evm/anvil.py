"""The anvil program as a chain: for nonce gaps, replacements and reorgs, which py-evm has not."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp

from ...errors import ConfigurationError
from ..anvil_path import find_anvil
from ..contracts import GenesisAccount, to_geth_genesis
from .anvil_process import AnvilProcess
from .errors import INTERNAL_ERROR, JsonRpcError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..._core.clock import Clock
    from .interface import Alloc

_GAS_LIMIT: Final = 60_000_000
_BASE_FEE: Final = 10**7
_REQUEST_SECONDS: Final = 60.0


class Anvil:
    """A chain run by the anvil program, on a free loopback port.

    Two things differ from ``PyEvm``. ``finalized`` can only lag by an even number of blocks: anvil
    knows epochs, and two of them make a block final. And a call at ``latest`` sees the time of the
    newest block, not of the clock: mine a block to move it.

    Args:
        chain_id: The EIP-155 chain id.
        alloc: The state of block 0.
        clock: Whose time blocks carry.
        finality_depth: How many blocks ``finalized`` lags behind ``latest``, an even number;
            ``safe`` lags half.

    Raises:
        ConfigurationError: ``finality_depth`` is odd.
    """

    def __init__(
        self, *, chain_id: int, alloc: Alloc, clock: Clock, finality_depth: int = 8
    ) -> None:
        if finality_depth % 2:
            raise ConfigurationError(
                f"anvil cannot make blocks final after {finality_depth} blocks",
                hint="choose an even finality_depth, or the py-evm chain",
            )
        self._chain_id = chain_id
        self._alloc = alloc
        self._clock = clock
        self._finality_depth = finality_depth
        self._shifted = 0
        self._process: AnvilProcess | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def chain_id(self) -> int:
        """The EIP-155 chain id."""
        return self._chain_id

    @property
    def rpc_url(self) -> str:
        """Where JSON-RPC is served; empty until the chain has started."""
        return "" if self._process is None else self._process.url

    async def start(self) -> None:
        """Run anvil with the genesis state and wait until it listens.

        Raises:
            ConfigurationError: There is no anvil program, or it does not start.
        """
        program = find_anvil()
        if program is None:
            raise ConfigurationError(
                "the anvil program was not found",
                hint="put it on the PATH, or name it in OG_ANVIL; `make test` fetches it",
            )
        try:
            # The file is read before anvil listens, so it need not live longer than that.
            with tempfile.TemporaryDirectory(prefix="opengradient-anvil-") as folder:
                genesis = Path(folder) / "genesis.json"
                genesis.write_text(json.dumps(self._genesis()))
                self._process = await AnvilProcess.spawn(program, *self._arguments(genesis))
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
            )
            await self._follow_clock()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the program; returns when it is gone."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._process is not None:
            await self._process.stop()
            self._process = None

    async def mine(self, blocks: int = 1) -> None:
        """Mine ``blocks`` empty blocks at the clock's time."""
        await self._follow_clock()
        for _ in range(blocks):
            await self.request("evm_mine")

    async def request(self, method: str, params: Sequence[object] = ()) -> object:
        """Return the result of one JSON-RPC call.

        Raises:
            JsonRpcError: The chain answered with an error.
            RuntimeError: The chain is not running.
        """
        if self._session is None:
            raise RuntimeError("this chain is not running; start it first")
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        async with self._session.post(self.rpc_url, json=body) as response:
            answer = cast("Mapping[str, Any]", await response.json())
        if error := answer.get("error"):
            raise JsonRpcError(
                error.get("code", INTERNAL_ERROR), error.get("message", ""), error.get("data")
            )
        return answer.get("result")

    async def _follow_clock(self) -> None:
        """Bring anvil's time, which is the machine's plus an offset, to that of the clock."""
        offset = round(self._clock.now() - time.time())
        if offset > self._shifted:
            await self.request("evm_increaseTime", [offset - self._shifted])
            self._shifted = offset

    def _genesis(self) -> dict[str, Any]:
        accounts = {
            address: GenesisAccount(a.code, a.storage, a.balance, a.nonce)
            for address, a in self._alloc.items()
        }
        return to_geth_genesis(
            accounts,
            chain_id=self._chain_id,
            timestamp=int(self._clock.now()),
            gas_limit=_GAS_LIMIT,
            base_fee=_BASE_FEE,
        )

    def _arguments(self, genesis: Path) -> tuple[str, ...]:
        return (
            *("--init", str(genesis)),
            *("--chain-id", str(self._chain_id)),
            *("--slots-in-an-epoch", str(self._finality_depth // 2)),
            *("--hardfork", "prague"),
            *("--host", "127.0.0.1"),
            *("--port", "0"),
            *("--accounts", "0"),
            "--no-request-size-limit",
        )
