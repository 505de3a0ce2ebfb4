"""Striking: from a fault's name to the next requests that suffer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from ...errors import ConfigurationError
from ..evm import PyEvm
from ..network import Devnet
from ..node.ambush import Mishap
from ..node.line import RequestHead
from . import mishaps
from .catalogue import FAULTS, Fault
from .lies import HOUR, REPLAYS, WRONG_PROOFS, clock_off, nth, over_asking
from .mishaps import Bent, Deliver, Held, Stage

_Make = Callable[[Stage], Mishap]

_REFUSE: Final = "refuse-connection"
_REFUSE_PAYMENT: Final = "refuse-after-challenge"
_CHAIN: Final = "chain-unavailable"


@dataclass(slots=True)
class Injected:
    """A fault that lies in wait.

    Attributes:
        fault: Which one.
        seed: What chooses its details.
        hits: How often it struck.
    """

    fault: Fault
    seed: int
    hits: int = 0


@asynccontextmanager
async def inject(
    net: Devnet, name: str, *, node: int = 0, seed: int = 0, times: int = 1
) -> AsyncGenerator[Injected]:
    """Make the next ``times`` requests of a kind to one node suffer the fault ``name``.

    Afterwards the node is honest again, and leaving the block undoes the rest: who was kept waiting
    is let go, and the chain answers. Paid requests are struck (those with a payment or a session),
    or unpaid ones where ``Fault.unpaid`` says so; two faults strike connections. Several may be
    active: each request is struck by the first that wants it.

    **Money**: none; but what the node bills under a fault is in ``net.books()`` as always.

    Args:
        net: The network.
        name: One of ``FAULTS``.
        node: The number of the node in ``net.nodes``.
        seed: Where something is cut, which field lies, which byte breaks: the same seed, the same
            fault. Faults that cut do so after ``seed`` bytes, counted round and round, so a range
            of seeds covers every offset.
        times: How many are struck.

    Raises:
        ConfigurationError: There is no such fault or node, the numbers are negative, or a chain run
            by anvil is to become unavailable.
    """
    fault = _checked(net, name, node=node, seed=seed, times=times)
    injected = Injected(fault, seed)
    stage = Stage(net.nodes[node], seed)
    chain = net.chain
    ambush = _ambush(injected, stage, chain if isinstance(chain, PyEvm) else None, times)
    faults = stage.node.faults
    if name == _REFUSE:
        await stage.node.hang_up_idle()
        await let_clients_notice()
    faults.ambushes = (*faults.ambushes, ambush)
    try:
        yield injected
    finally:
        faults.ambushes = tuple(one for one in faults.ambushes if one is not ambush)
        stage.release()
        if fault.everywhere and isinstance(chain, PyEvm):
            chain.unavailable = False


def _held(deliver: Deliver) -> _Make:
    return lambda stage: Held(stage, deliver)


_MISHAPS: Final[Mapping[str, _Make]] = MappingProxyType(
    {
        "none": lambda _: Mishap(),
        "cut-request": mishaps.CutRequest,
        "drop-before-work": lambda _: Bent(lambda f: replace(f, drop_before_work=True)),
        "accept-then-time-out": _held(mishaps.say_nothing),
        "slow-answer": _held(mishaps.trickle),
        "cut-response": _held(mishaps.cut_response),
        "cut-stream": _held(mishaps.cut_stream),
        "answer-twice": _held(mishaps.answer_twice),
        "error-5xx": mishaps.ErrorBeforeWork,
        "error-after-settling": _held(mishaps.settle_and_fail),
        "garbage-answer": _held(mishaps.garble),
        "wrong-proof": lambda stage: Bent(nth(WRONG_PROOFS, stage.seed)),
        "replayed-proof": lambda stage: Bent(nth(REPLAYS, stage.seed)),
        "challenge-after-payment": lambda _: Bent(lambda f: replace(f, never_pay=True)),
        "bare-402-after-payment": lambda _: Bent(lambda f: replace(f, bare_402=1)),
        "stale-session": mishaps.Forgetting,
        "over-asking": lambda stage: Bent(over_asking(stage.seed)),
        "facilitator-down": mishaps.FacilitatorDown,
        "clock-ahead": lambda stage: Bent(clock_off(HOUR, stage.seed)),
        "clock-behind": lambda stage: Bent(clock_off(-HOUR, stage.seed)),
    }
)
"""What a request meets, by fault; those that strike connections or the chain need more."""


@dataclass(slots=True)
class _Requests:
    """Strikes the next ``left`` requests of a kind."""

    injected: Injected
    mishap: Mishap
    left: int

    def refuses(self) -> bool:
        return False

    def meets(self, head: RequestHead) -> Mishap | None:
        if not self.left or head.paid is self.injected.fault.unpaid:
            return None
        self.left -= 1
        self.injected.hits += 1
        return self.mishap


@dataclass(slots=True)
class _Connections:
    """Refuses the next ``left`` connections: at once, or once a challenge has been answered."""

    injected: Injected
    left: int
    armed: bool
    last_answer: Mishap = field(default_factory=Mishap)

    def arm(self) -> None:
        self.armed = True

    def refuses(self) -> bool:
        if not (self.armed and self.left):
            return False
        self.left -= 1
        self.injected.hits += 1
        return True

    def meets(self, head: RequestHead) -> Mishap | None:
        return None if self.armed or head.paid else self.last_answer


def _ambush(
    injected: Injected, stage: Stage, chain: PyEvm | None, times: int
) -> _Requests | _Connections:
    name = injected.fault.name
    if name == _REFUSE:
        return _Connections(injected, times, armed=True)
    if name == _REFUSE_PAYMENT:
        connections = _Connections(injected, times, armed=False)
        connections.last_answer = Held(stage, mishaps.last_before(connections.arm))
        return connections
    if name == _CHAIN:
        assert chain is not None, "checked before"
        return _Requests(injected, Held(stage, mishaps.lose_with(chain)), times)
    return _Requests(injected, _MISHAPS[name](stage), times)


def _checked(net: Devnet, name: str, *, node: int, seed: int, times: int) -> Fault:
    fault = FAULTS.get(name)
    if fault is None:
        raise ConfigurationError(
            f"there is no fault {name!r}", hint=f"the faults are: {', '.join(FAULTS)}"
        )
    if not 0 <= node < len(net.nodes):
        raise ConfigurationError(
            f"this Devnet has {len(net.nodes)} nodes, and none is number {node}"
        )
    if seed < 0 or times < 1:
        raise ConfigurationError(f"a fault cannot have seed={seed} and times={times}")
    if name == _CHAIN and not isinstance(net.chain, PyEvm):
        raise ConfigurationError(
            "a chain run by anvil cannot be made unavailable",
            hint='use Devnet(evm="py-evm") for this fault',
        )
    return fault


async def let_clients_notice() -> None:
    """Give clients on this event loop the two turns in which they see closed connections."""
    for _ in range(3):
        await asyncio.sleep(0)
