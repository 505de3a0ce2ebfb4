"""Stand-ins for a chain and a clock, for tests of the facilitator's decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opengradient_sdk.devnet.evm import JsonRpcError
from opengradient_sdk.devnet.facilitator.abi import selector
from opengradient_sdk.profiles import DEVNET


@dataclass
class FixedClock:
    """A clock that stands still."""

    time: float

    def now(self) -> float:
        return self.time


@dataclass
class FakeChainState:
    """Answers the JSON-RPC questions of a verifier from a few numbers; runs no EVM."""

    chain_id: int = 8453
    allowance: int = 10**30
    balance: int = 10**30
    wei: int = 0
    nonce: int = 5
    proxy_deployed: bool = True
    payer_code: str = "0x"
    revert: bytes | None = None
    rpc_url: str = "http://fake.invalid"
    calls: list[dict[str, Any]] = field(default_factory=list)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def mine(self, blocks: int = 1) -> None: ...

    async def request(self, method: str, params: Sequence[Any] = ()) -> object:
        match method:
            case "eth_getCode":
                is_proxy = params[0] in (DEVNET.upto_proxy, DEVNET.exact_proxy)
                return ("0x60" if self.proxy_deployed else "0x") if is_proxy else self.payer_code
            case "eth_getBalance":
                return hex(self.wei)
            case "eth_getTransactionCount":
                return hex(self.nonce)
            case "eth_call":
                return self._call(params[0])
        raise JsonRpcError(-32601, f"{method} is not faked")

    def _call(self, call: dict[str, Any]) -> str:
        self.calls.append(call)
        called = bytes.fromhex(call["data"][2:10])
        if called == selector("allowance(address,address)"):
            return f"0x{self.allowance:064x}"
        if called == selector("balanceOf(address)"):
            return f"0x{self.balance:064x}"
        if self.revert is not None:
            raise JsonRpcError(3, "execution reverted", "0x" + self.revert.hex())
        return "0x"


class BrokenChain(FakeChainState):
    """Raises ``failure`` instead of answering."""

    failure: Exception = JsonRpcError(-32000, "the chain is dead")

    async def request(self, method: str, params: Sequence[Any] = ()) -> object:
        raise self.failure
