"""py-evm as a chain with a JSON-RPC port."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from .rpc_server import RpcServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._core.clock import Clock
    from .interface import Alloc
    from .rpc_methods import RpcMethods

T = TypeVar("T")


class PyEvm:
    """An EVM in this process, served as JSON-RPC over HTTP on loopback.

    Every transaction is mined at once into a block of its own. The EVM works in one thread, one
    request at a time, so the event loop stays free and the state needs no locks.

    Args:
        chain_id: The EIP-155 chain id.
        alloc: The state of block 0.
        clock: Whose time blocks carry.
        finality_depth: How many blocks ``finalized`` lags behind ``latest``; ``safe`` lags half.
    """

    def __init__(
        self,
        *,
        chain_id: int,
        alloc: Alloc,
        clock: Clock,
        finality_depth: int = 8,
    ) -> None:
        self._chain_id = chain_id
        self._alloc = alloc
        self._clock = clock
        self._finality_depth = finality_depth
        self._server = RpcServer(self.request)
        self._worker: ThreadPoolExecutor | None = None
        self._methods: RpcMethods | None = None

    @property
    def chain_id(self) -> int:
        """The EIP-155 chain id."""
        return self._chain_id

    @property
    def rpc_url(self) -> str:
        """Where JSON-RPC is served; empty until the chain has started."""
        return self._server.url

    @property
    def unavailable(self) -> bool:
        """Whether JSON-RPC over HTTP answers 503; ``request`` works all the same."""
        return self._server.unavailable

    @unavailable.setter
    def unavailable(self, unavailable: bool) -> None:
        self._server.unavailable = unavailable

    async def start(self) -> None:
        """Build the genesis state and listen on a free port."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"evm-{self._chain_id}")
        try:
            self._methods = await self._in_worker(self._open)
            await self._server.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the port and end the thread."""
        await self._server.stop()
        self._methods = None
        if (worker := self._worker) is not None:
            self._worker = None
            try:
                # After what is running: then the thread is idle, and ending it blocks nobody.
                await asyncio.get_running_loop().run_in_executor(worker, _nothing)
            finally:
                worker.shutdown(wait=True)

    async def mine(self, blocks: int = 1) -> None:
        """Mine ``blocks`` empty blocks at the clock's time."""
        await self.request("evm_mine", [hex(blocks)])

    async def request(self, method: str, params: Sequence[object] = ()) -> object:
        """Return the result of one JSON-RPC call, without HTTP in between.

        Raises:
            JsonRpcError: The chain answered with an error.
            RuntimeError: The chain is not running.
        """
        methods = self._methods
        if methods is None:
            raise RuntimeError("this chain is not running; start it first")
        return await self._in_worker(lambda: methods(method, params))

    async def _in_worker(self, work: Callable[[], T]) -> T:
        if self._worker is None:
            raise RuntimeError("this chain is not running; start it first")
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _open(self) -> RpcMethods:
        # py-evm takes about a second to import: here it is loaded off the event loop, and not at
        # all by those who only import the Devnet.
        from .machine import Machine
        from .rpc_methods import RpcMethods

        machine = Machine(chain_id=self._chain_id, alloc=self._alloc, clock=self._clock)
        return RpcMethods(machine, self._clock, finality_depth=self._finality_depth)


def _nothing() -> None:
    """Mark the end of the queue."""
